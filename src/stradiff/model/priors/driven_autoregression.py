"""An autoregression driven by heavy-tailed innovations: quiet stretches, and jumps that ring out."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.model.priors import partial_autocorrelation as pacf
from stradiff.model.priors.base import Prior
from stradiff.model.priors.innovations import Innovation

Scalar = Float[Array, ""]


class DrivenAutoregressivePrior(Prior):
    """s_t = sum_j a_j s_{t-j} + e_t, the e_t independent with density q (ICA's densities on SOBI's dynamics).

    log p(s) = log N(s_1 .. s_p; 0, Gamma_p) + sum_{t > p} log q(s_t - sum_j a_j s_{t-j}).

    The second part is the exact density given the first p samples (Box, Jenkins & Reinsel, Time Series Analysis,
    ch. 7); those have no closed density of their own and take the Gaussian of the same covariance. As the determinant
    of the map from innovations to samples is one, the whole is normalised.

    Parameters
    ----------
    innovation : q, with parameters of its own.
    order : p; 0 makes independent samples.
    n_samples : T, in which ``length_scale`` is counted.
    """

    innovation: Innovation
    free: Float[Array, " p"]
    n_samples: int = eqx.field(static=True)

    def __init__(self, innovation: Innovation, order: int, n_samples: int) -> None:
        self.innovation = innovation
        self.free = jnp.zeros(order, jnp.float32)
        self.n_samples = n_samples

    @property
    def partial(self) -> Float[Array, " p"]:
        """The partial autocorrelations, double precision."""
        return pacf.partial_autocorrelations(self.free.astype(jnp.float64))

    def log_prob(self, source: Float[Array, " T"], times: Float[Array, " T"] | None) -> Scalar:
        """The log-density above; regular times only."""
        pacf.refuse_irregular(times, f"with {type(self.innovation).__name__} innovations")
        order = self.free.shape[0]
        errors = pacf.prediction_errors(source.astype(jnp.float64), self.partial)
        first = _log_normal(errors[:order], self._first_variances()[: errors.shape[0]])
        return jnp.sum(first) + jnp.sum(self.innovation.log_density(errors[order:]))

    def sample(self, key: PRNGKeyArray, n_samples: int, times: Float[Array, " T"] | None) -> Float[Array, " T"]:
        """Innovations drawn and filtered, from a Gaussian begin; regular times only."""
        pacf.refuse_irregular(times, f"with {type(self.innovation).__name__} innovations")
        order = min(self.free.shape[0], n_samples)
        first, later = jax.random.split(key)
        begin = jnp.sqrt(self._first_variances()[:order]) * jax.random.normal(first, (order,), jnp.float64)
        errors = jnp.concatenate([begin, self.innovation.sample(later, n_samples - order)])
        return pacf.from_prediction_errors(errors, self.partial)

    def tuned(self, source: Float[Array, " T"], times: Float[Array, " T"] | None) -> DrivenAutoregressivePrior:
        """Burg's autoregression, and the likeliest innovations of what it leaves over."""
        pacf.refuse_irregular(times, f"with {type(self.innovation).__name__} innovations")
        order, source = self.free.shape[0], source.astype(jnp.float64)
        free = pacf.free_from(pacf.burg(source, order)).astype(self.free.dtype)
        moved = eqx.tree_at(lambda prior: prior.free, self, free)
        errors = pacf.prediction_errors(source, moved.partial)[order:]
        return eqx.tree_at(lambda prior: prior.innovation, moved, self.innovation.tuned(errors))

    def of_segment(self, share: float) -> DrivenAutoregressivePrior:
        """The same: all parameters count in samples, and the length-scale in those of the segment."""
        return pacf.in_segment(self, share)

    def spectrum(self, omega: Float[Array, " F"], n_samples: int) -> Float[Array, " F"]:
        """Var(e) / |A(w)|^2."""
        return self.innovation.variance / pacf.response(self.partial, omega.astype(jnp.float64))

    def precision_spectrum(self, omega: Float[Array, " F"], n_samples: int) -> Float[Array, " F"]:
        """|A(w)|^2 times the Fisher information of q: the expected curvature of -log p(s), exact but for the ends.

        The score is A' psi(e), psi = d log q / de white with variance E[psi^2], so its covariance is that times A'A.
        """
        return self.innovation.information * pacf.response(self.partial, omega.astype(jnp.float64))

    @property
    def length_scale(self) -> Scalar:
        """Memory of the autoregression, as the RBF length-scale that remembers as much."""
        return pacf.memory(self.partial) / (self.n_samples - 1)

    def _first_variances(self) -> Float[Array, " p"]:
        """What the samples before leave over of each of the first p, at the stationary variance."""
        left = pacf.unpredicted(self.partial)
        return self.innovation.variance / left[-1] * left[:-1]


def _log_normal(value: Array, variance: Array) -> Array:
    return -0.5 * (math.log(2.0 * math.pi) + jnp.log(variance) + value**2 / variance)
