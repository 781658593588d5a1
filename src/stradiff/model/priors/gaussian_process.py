"""The paper's prior: a zero-mean Gaussian process whose length-scale is learned per source (Eqs. 17-20)."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from tinygp.solvers.quasisep.core import SymmQSM

from stradiff.errors import NumericsError, OptionError
from stradiff.model.priors import dense, levinson, regular_grid, state_space
from stradiff.model.priors.base import Prior
from stradiff.model.priors.kernels import KERNELS, SPECTRA

Scalar = Float[Array, ""]

LENGTH_SCALES = 40  # candidates from one sample to the whole record: a factor of 1.2 apart at T = 1000
SMALLEST_REGULAR = 100  # samples; below, a dense factorisation is as quick and the modes of regular_grid are too few


class GaussianProcessPrior(Prior):
    """log N(s; 0, K), K_ij = sigma_f^2 k(|t_i - t_j| / l) + xi delta_ij (Eqs. 17, 18), t normalised to [0, 1].

    Parameters
    ----------
    kernel : {"rbf", "matern12", "matern32", "matern52"}
    length_scale : l_k in normalised time (1 = the whole record); always learned.
    sigma_f, jitter : sigma_f and xi; learned when the flags say so.
    solver : {"auto", "fast", "dense"}
        ``"fast"`` takes O(T log T) on a regular grid (RBF) or O(T) on any times (Matern); ``"dense"`` the
        T x T Cholesky factorisation; ``"auto"`` the fast one wherever it holds.
    """

    log_length_scale: Scalar
    log_sigma_f: Scalar
    log_jitter: Scalar
    kernel: str = eqx.field(static=True)
    learn_sigma_f: bool = eqx.field(static=True)
    learn_jitter: bool = eqx.field(static=True)
    solver: str = eqx.field(static=True)

    def __init__(
        self,
        length_scale: float | Scalar,
        *,
        kernel: str = "rbf",
        sigma_f: float | Scalar = 1.0,
        jitter: float | Scalar = 1e-3,
        learn_sigma_f: bool = False,
        learn_jitter: bool = False,
        solver: str = "auto",
    ):
        if kernel not in KERNELS:
            raise OptionError(f"There is no kernel {kernel!r}; choose one of {', '.join(KERNELS)}.")
        if solver not in ("auto", "fast", "dense"):
            raise OptionError(f"There is no solver {solver!r}; choose 'auto', 'fast' or 'dense'.")
        # Single precision holds a hyperparameter well enough; what is computed from it is double.
        self.log_length_scale = jnp.log(jnp.asarray(length_scale, jnp.float32))
        self.log_sigma_f = jnp.log(jnp.asarray(sigma_f, jnp.float32))
        self.log_jitter = jnp.log(jnp.asarray(jitter, jnp.float32))
        self.kernel = kernel
        self.learn_sigma_f = learn_sigma_f
        self.learn_jitter = learn_jitter
        self.solver = solver

    @property
    def length_scale(self) -> Scalar:
        """l_k, in normalised time, double precision."""
        return jnp.exp(_double(self.log_length_scale))

    @property
    def variance(self) -> Scalar:
        """sigma_f^2."""
        return jnp.exp(2.0 * _double(self.log_sigma_f if self.learn_sigma_f else _fixed(self.log_sigma_f)))

    @property
    def jitter(self) -> Scalar:
        """xi, never so small beside sigma_f^2 that double precision cannot factorise K."""
        jitter = jnp.exp(_double(self.log_jitter if self.learn_jitter else _fixed(self.log_jitter)))
        return jnp.maximum(jitter, regular_grid.SMALLEST_NUGGET * self.variance)

    def log_prob(self, source: Float[Array, " T"], times: Float[Array, " T"] | None) -> Scalar:
        """log N(s; 0, K) (Eq. 20), in double precision."""
        return self._density(self._route(source.shape[0], times), _double(source), times)

    def _density(self, route: str, source: Float[Array, " T"], times: Float[Array, " T"] | None) -> Scalar:
        n_samples = source.shape[0]
        parameters = (self.length_scale, self.variance, self.jitter)
        if route == "state-space":
            return state_space.log_density(source, _grid(n_samples, times), self.kernel, *parameters)
        if route == "regular-grid":
            in_samples = (parameters[0] * (n_samples - 1), *parameters[1:])
            log_det, quadratic = regular_grid.log_det_and_quadratic(source, *in_samples)
        else:
            grid = _grid(n_samples, times)
            log_det, quadratic = dense.log_det_and_quadratic(source, grid, self.kernel, *parameters)
        return -0.5 * (n_samples * math.log(2.0 * math.pi) + log_det + quadratic)

    def _route(self, n_samples: int, times: Float[Array, " T"] | None) -> str:
        """Which computation holds for this kernel, these times and this length."""
        if self.solver == "dense":
            return "dense"
        if self.kernel in state_space.KERNELS:
            return "state-space"
        if times is None and n_samples >= SMALLEST_REGULAR:
            return "regular-grid"
        if self.solver == "fast":
            raise OptionError(
                f"The fast RBF prior needs a regular grid of at least {SMALLEST_REGULAR} samples; "
                "use solver='auto', or a Matern kernel for irregular times."
            )
        return "dense"

    def tuned(self, source: Float[Array, " T"], times: Float[Array, " T"] | None) -> GaussianProcessPrior:
        """The likeliest of LENGTH_SCALES length-scales.

        One far too long makes a source extremely improbable, and training then fits the source to the prior before the
        prior to the source.
        """
        candidates = jnp.asarray(np.geomspace(1.0 / (source.shape[0] - 1), 1.0, LENGTH_SCALES), jnp.float32)

        def at(candidate: Scalar) -> GaussianProcessPrior:
            return eqx.tree_at(lambda prior: prior.log_length_scale, self, jnp.log(candidate))

        log_likelihood = jax.lax.map(lambda candidate: at(candidate).log_prob(source, times), candidates)
        return at(candidates[jnp.argmax(log_likelihood)])

    def of_segment(self, share: float) -> GaussianProcessPrior:
        """The length-scale in units of the segment."""
        return eqx.tree_at(lambda prior: prior.log_length_scale, self, self.log_length_scale - math.log(share))

    def spectrum(self, omega: Float[Array, " F"], n_samples: int) -> Float[Array, " F"]:
        """sigma_f^2 phi(w) + xi, phi the spectrum of the sampled kernel."""
        length_scale = self.length_scale * (n_samples - 1)
        return self.variance * SPECTRA[self.kernel](_double(omega), length_scale) + self.jitter

    def covariance(self, times: Float[Array, " T"]) -> Float[Array, "T T"]:
        """K of Eq. 18 at any times."""
        return dense.covariance(self.kernel, _double(times), self.length_scale, self.variance, self.jitter)

    def quasi_separable(self, times: Float[Array, " T"]) -> SymmQSM | None:
        """K in O(T) numbers, of a Matern kernel."""
        if self._route(times.shape[0], times) != "state-space":
            return None
        parameters = (self.length_scale, self.variance, self.jitter)
        return state_space.covariance(_double(times), self.kernel, *parameters)

    def sample(self, key: PRNGKeyArray, n_samples: int, times: Float[Array, " T"] | None) -> Float[Array, " T"]:
        """Draw one trajectory: O(T) of a Matern kernel, O(T^2) of RBF on a regular grid, O(T^3) on any other times."""
        white, grid = jax.random.normal(key, (n_samples,), jnp.float64), _grid(n_samples, times)
        parameters = (self.length_scale, self.variance, self.jitter)
        if self.kernel in state_space.KERNELS:
            return state_space.coloured(white, grid, self.kernel, *parameters)
        if times is None:
            correlation = KERNELS[self.kernel](grid / self.length_scale)
            return levinson.coloured(white, (self.variance * correlation).at[0].add(self.jitter))
        return jnp.linalg.cholesky(self.covariance(grid)) @ white


def _grid(n_samples: int, times: Float[Array, " T"] | None) -> Float[Array, " T"]:
    return jnp.linspace(0.0, 1.0, n_samples, dtype=jnp.float64) if times is None else _double(times)


def _fixed(parameter: Scalar) -> Scalar:
    return jax.lax.stop_gradient(parameter)


def _double(array: Array) -> Array:
    if not jax.config.read("jax_enable_x64"):
        raise NumericsError(
            "A Gaussian-process prior needs double precision: run it inside `with stradiff.model.numerics():`."
        )
    return array.astype(jnp.float64)
