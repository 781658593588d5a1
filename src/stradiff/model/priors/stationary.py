"""A zero-mean Gaussian process of any stationary correlation, quick on a regular grid whatever it remembers."""

from __future__ import annotations

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jax.scipy.linalg import toeplitz as toeplitz_matrix
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.errors import NumericsError, OptionError
from stradiff.model.priors import levinson, regular_grid, toeplitz
from stradiff.model.priors.ascent import ascended, best_row, likeliest
from stradiff.model.priors.base import Prior
from stradiff.model.priors.correlations import Correlation, Periodic
from stradiff.model.priors.periodogram import whittle
from stradiff.model.priors.regular_grid import SMALLEST_NUGGET

Scalar = Float[Array, ""]

SMALLEST_REGULAR = 32  # samples; below, the Cholesky factorisation is as quick as anything


class Level(NamedTuple):
    """sigma_f^2 and xi."""

    variance: Scalar
    jitter: Scalar


class StationaryPrior(Prior):
    """log N(s; 0, K), K_ij = sigma_f^2 rho(t_i - t_j) + xi delta_ij (Eqs. 17, 18).

    Parameters
    ----------
    correlation : rho, with the parameters that are always learned.
    sigma_f, jitter : sigma_f and xi; learned when the flags say so.
    solver : {"auto", "fast", "dense"}
        ``"dense"``: T x T Cholesky factorisation, the only way on irregular times. Otherwise O(T log T) from the
        harmonics of one that is periodic (``regular_grid``) and O(T log^2 T) for every other (``toeplitz``).
    """

    correlation: Correlation
    log_sigma_f: Scalar
    log_jitter: Scalar
    learn_sigma_f: bool = eqx.field(static=True)
    learn_jitter: bool = eqx.field(static=True)
    solver: str = eqx.field(static=True)

    def __init__(
        self,
        correlation: Correlation,
        *,
        sigma_f: float | Scalar = 1.0,
        jitter: float | Scalar = 1e-3,
        learn_sigma_f: bool = False,
        learn_jitter: bool = False,
        solver: str = "auto",
    ):
        if solver not in ("auto", "fast", "dense"):
            raise OptionError(f"There is no solver {solver!r}; choose 'auto', 'fast' or 'dense'.")
        self.correlation = correlation
        self.log_sigma_f = jnp.log(jnp.asarray(sigma_f, jnp.float32))
        self.log_jitter = jnp.log(jnp.asarray(jitter, jnp.float32))
        self.learn_sigma_f = learn_sigma_f
        self.learn_jitter = learn_jitter
        self.solver = solver

    @property
    def length_scale(self) -> Scalar:
        """That of the correlation, in units of the record."""
        return self.correlation.length_scale

    @property
    def level(self) -> Level:
        """sigma_f^2 and xi, the latter never so small that double precision cannot factorise K."""
        sigma_f = self.log_sigma_f if self.learn_sigma_f else jax.lax.stop_gradient(self.log_sigma_f)
        jitter = self.log_jitter if self.learn_jitter else jax.lax.stop_gradient(self.log_jitter)
        variance = jnp.exp(2.0 * sigma_f.astype(jnp.float64))
        return Level(variance, jnp.maximum(jnp.exp(jitter.astype(jnp.float64)), SMALLEST_NUGGET * variance))

    def log_prob(self, source: Float[Array, " T"], times: Float[Array, " T"] | None) -> Scalar:
        """log N(s; 0, K) (Eq. 20), in double precision."""
        self._check(times)
        source, n_samples = source.astype(jnp.float64), source.shape[0]
        if times is not None or self.solver == "dense" or n_samples < SMALLEST_REGULAR:
            log_det, quadratic = _dense(source, self._covariance(n_samples, times))
        elif isinstance(self.correlation, Periodic):
            variance, jitter = self.level
            weight, step = self.correlation.modes(n_samples)
            log_det, quadratic = regular_grid.of_modes(source, variance * weight, step, jitter)
        else:
            log_det, quadratic = toeplitz.log_det_and_quadratic(source, self._autocovariance(n_samples))
        return -0.5 * (n_samples * math.log(2.0 * math.pi) + log_det + quadratic)

    def of_segment(self, share: float) -> StationaryPrior:
        """The correlation in units of the segment."""
        return eqx.tree_at(lambda prior: prior.correlation, self, self.correlation.of_segment(share))

    def spectrum(self, omega: Float[Array, " F"], n_samples: int) -> Float[Array, " F"]:
        """sigma_f^2 phi(w) + xi, phi the spectrum of the sampled correlation."""
        variance, jitter = self.level
        return variance * self.correlation.spectrum(omega.astype(jnp.float64), n_samples) + jitter

    def sample(self, key: PRNGKeyArray, n_samples: int, times: Float[Array, " T"] | None) -> Float[Array, " T"]:
        """Draw one trajectory: O(T^2) time and O(T) memory on a regular grid, a T x T factorisation on other times."""
        self._check(times)
        white = jax.random.normal(key, (n_samples,), jnp.float64)
        if times is None:
            return levinson.coloured(white, self._autocovariance(n_samples))
        return jnp.linalg.cholesky(self.covariance(times)) @ white

    def tuned(self, source: Float[Array, " T"], times: Float[Array, " T"] | None) -> StationaryPrior:
        """The best of the correlation's starts, moved up Whittle's likelihood; the likeliest on the way is kept.

        Irregular times are evened out by linear interpolation to find the place, not to judge it.
        """
        self._check(times)
        source = source.astype(jnp.float64)
        even = source if times is None else jnp.interp(jnp.linspace(0.0, 1.0, source.shape[0]), times, source)

        def approximate(prior: StationaryPrior) -> Scalar:
            return whittle(even, lambda omega: prior.spectrum(omega, source.shape[0]))

        def at(correlation: Correlation) -> StationaryPrior:
            return eqx.tree_at(lambda prior: prior.correlation, self, correlation)

        start = at(best_row(self.correlation.starts(even), lambda correlation: approximate(at(correlation))))
        return likeliest([self, start, ascended(start, approximate)], lambda prior: prior.log_prob(source, times))

    def _autocovariance(self, n_samples: int) -> Float[Array, " T"]:
        """sigma_f^2 rho + xi at lag zero."""
        variance, jitter = self.level
        grid = jnp.linspace(0.0, 1.0, n_samples, dtype=jnp.float64)
        return (variance * self.correlation.at(grid)).at[0].add(jitter)

    def _covariance(self, n_samples: int, times: Float[Array, " T"] | None) -> Float[Array, "T T"]:
        return toeplitz_matrix(self._autocovariance(n_samples)) if times is None else self.covariance(times)

    def covariance(self, times: Float[Array, " T"]) -> Float[Array, "T T"]:
        """sigma_f^2 rho + xi delta at any times."""
        variance, jitter = self.level
        times = times.astype(jnp.float64)
        return variance * self.correlation.at(times[:, None] - times[None, :]) + jitter * jnp.eye(times.shape[0])

    def _check(self, times: Float[Array, " T"] | None) -> None:
        if not jax.config.read("jax_enable_x64"):
            raise NumericsError("A prior needs double precision: run it inside `with stradiff.model.numerics():`.")
        if times is not None and self.solver == "fast":
            raise OptionError("This prior has no fast solver for irregular times; use solver='auto'.")


def _dense(source: Float[Array, " T"], covariance: Float[Array, "T T"]) -> tuple[Scalar, Scalar]:
    factor = jnp.linalg.cholesky(covariance)
    whitened = solve_triangular(factor, source, lower=True)
    return 2.0 * jnp.sum(jnp.log(jnp.diagonal(factor))), jnp.sum(whitened**2)
