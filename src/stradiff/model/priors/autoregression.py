"""A low-order Gaussian autoregression: a few resonances, whatever their frequency and damping, in O(T p)."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.model.priors import partial_autocorrelation as pacf
from stradiff.model.priors.ascent import ascended, likeliest
from stradiff.model.priors.base import Prior

Scalar = Float[Array, ""]


class AutoregressivePrior(Prior):
    """s_t = sum_j a_j s_{t-j} + e_t, e_t ~ N(0, sigma_f^2 prod_j (1 - kappa_j^2) + xi), stationary and normalised.

    kappa_1 .. kappa_p are the partial autocorrelations, free numbers through tanh, so that every value they take in
    training is a stationary process (Barndorff-Nielsen & Schou 1973; Monahan 1984). Without xi its variance is
    sigma_f^2; xi bounds the density of a source that p samples predict to rounding: no step of it is more certain.

    Parameters
    ----------
    order : p.
    n_samples : T, in which ``length_scale`` is counted.
    sigma_f, jitter : sigma_f and xi; learned when the flags say so.
    """

    free: Float[Array, " p"]
    log_sigma_f: Scalar
    log_jitter: Scalar
    learn_sigma_f: bool = eqx.field(static=True)
    learn_jitter: bool = eqx.field(static=True)
    n_samples: int = eqx.field(static=True)

    def __init__(
        self,
        order: int,
        n_samples: int,
        *,
        sigma_f: float | Scalar = 1.0,
        jitter: float | Scalar = 1e-3,
        learn_sigma_f: bool = False,
        learn_jitter: bool = False,
    ) -> None:
        self.free = jnp.zeros(order, jnp.float32)
        self.log_sigma_f = jnp.log(jnp.asarray(sigma_f, jnp.float32))
        self.log_jitter = jnp.log(jnp.asarray(jitter, jnp.float32))
        self.learn_sigma_f = learn_sigma_f
        self.learn_jitter = learn_jitter
        self.n_samples = n_samples

    @property
    def partial(self) -> Float[Array, " p"]:
        """Partial autocorrelations, double precision."""
        return pacf.partial_autocorrelations(self.free.astype(jnp.float64))

    @property
    def innovation_variance(self) -> Scalar:
        """What is new in every sample."""
        sigma_f = self.log_sigma_f if self.learn_sigma_f else jax.lax.stop_gradient(self.log_sigma_f)
        jitter = self.log_jitter if self.learn_jitter else jax.lax.stop_gradient(self.log_jitter)
        share = pacf.unpredicted(self.partial)[-1]
        return jnp.exp(2.0 * sigma_f.astype(jnp.float64)) * share + jnp.exp(jitter.astype(jnp.float64))

    @property
    def length_scale(self) -> Scalar:
        """That of the RBF kernel with as long a memory, in units of the record."""
        return pacf.memory(self.partial) / (self.n_samples - 1)

    def log_prob(self, source: Float[Array, " T"], times: Float[Array, " T"] | None) -> Scalar:
        """Sum over samples of the log-density given all before (Box, Jenkins & Reinsel, Time Series Analysis)."""
        pacf.refuse_irregular(times, "ar")
        errors = pacf.prediction_errors(source.astype(jnp.float64), self.partial)
        variance = self._variances(source.shape[0])
        return -0.5 * jnp.sum(jnp.log(2.0 * math.pi * variance) + errors**2 / variance)

    def sample(self, key: PRNGKeyArray, n_samples: int, times: Float[Array, " T"] | None) -> Float[Array, " T"]:
        """Draw one trajectory, in O(T p)."""
        pacf.refuse_irregular(times, "ar")
        errors = jnp.sqrt(self._variances(n_samples)) * jax.random.normal(key, (n_samples,), jnp.float64)
        return pacf.from_prediction_errors(errors, self.partial)

    def tuned(self, source: Float[Array, " T"], times: Float[Array, " T"] | None) -> AutoregressivePrior:
        """Burg's estimate, moved up the likelihood."""
        pacf.refuse_irregular(times, "ar")
        source = source.astype(jnp.float64)
        free = pacf.free_from(pacf.burg(source, self.free.shape[0])).astype(self.free.dtype)
        start = eqx.tree_at(lambda prior: prior.free, self, free)

        def log_prob(prior: AutoregressivePrior) -> Scalar:
            return prior.log_prob(source, None)

        return likeliest([self, ascended(start, log_prob)], log_prob)

    def of_segment(self, share: float) -> AutoregressivePrior:
        """The same: all parameters count in samples, and the length-scale in those of the segment."""
        return pacf.in_segment(self, share)

    def spectrum(self, omega: Float[Array, " F"], n_samples: int) -> Float[Array, " F"]:
        """Var(e) / |A(w)|^2."""
        return self.innovation_variance / pacf.response(self.partial, omega.astype(jnp.float64))

    def _variances(self, n_samples: int) -> Float[Array, " T"]:
        """Of a sample given all before it: the k-th knows k others, from the p-th on p."""
        share = pacf.unpredicted(self.partial)
        known = jnp.minimum(jnp.arange(n_samples), self.free.shape[0])
        return self.innovation_variance * (share / share[-1])[known]
