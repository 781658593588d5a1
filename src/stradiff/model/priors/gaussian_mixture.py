"""A mixture of K Gaussians as the distribution of one sample: any number of modes, any tails up to Gaussian."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, logsumexp, ndtri
from jaxtyping import Array, Float, PRNGKeyArray

Scalar = Float[Array, ""]

LEAST_VARIANCE = 1e-3  # of a component; the GP's xi, for the same reason: no density without bound over a point
ROUNDS = 100  # of EM: what is left to gain is for training
LEAST_LOG = -690.0  # of a probability in double precision, nearly
NODES = 32  # of Gauss-Hermite quadrature in each component


class MixtureDensity(eqx.Module):
    """f(s) = sum_k w_k N(s; mu_k, sigma_k^2) with sum_k w_k mu_k = 0: weights, means and variances are learned.

    The mean is held at zero since a source's is: a recording is centred, and no map has an offset for it.
    """

    logits: Float[Array, " K"]
    free_means: Float[Array, " K"]
    log_scales: Float[Array, " K"]

    def __init__(self, n_components: int, deviation: float = 1.0) -> None:
        """Components side by side under a Gaussian of this deviation."""
        places = (jnp.arange(n_components, dtype=jnp.float32) + 0.5) / n_components
        self.logits = jnp.zeros(n_components, jnp.float32)
        self.free_means = deviation * ndtri(places)
        self.log_scales = jnp.full(n_components, math.log(deviation / math.sqrt(n_components)), jnp.float32)

    @property
    def log_weights(self) -> Float[Array, " K"]:
        """log w_k."""
        return jax.nn.log_softmax(self.logits.astype(jnp.float64))

    @property
    def means(self) -> Float[Array, " K"]:
        """mu_k."""
        free = self.free_means.astype(jnp.float64)
        return free - jnp.exp(self.log_weights) @ free

    @property
    def scales(self) -> Float[Array, " K"]:
        """sigma_k."""
        return jnp.sqrt(jnp.exp(2.0 * self.log_scales.astype(jnp.float64)) + LEAST_VARIANCE)

    @property
    def variance(self) -> Scalar:
        """E[s^2]."""
        return jnp.exp(self.log_weights) @ (self.scales**2 + self.means**2)

    def log_density(self, values: Float[Array, " T"]) -> Float[Array, " T"]:
        """log f(s)."""
        return logsumexp(self._log_parts(values), axis=0)

    def score(self, values: Float[Array, " T"]) -> Float[Array, " T"]:
        """d log f / ds."""
        share = jax.nn.softmax(self._log_parts(values), axis=0)
        return -jnp.sum(share * self._standard(values) / self.scales[:, None], axis=0)

    def gaussianised(self, values: Float[Array, " T"]) -> Float[Array, " T"]:
        """z = Phi^-1(F(s)), from the smaller of the two tails so that no digit is lost in either."""
        standard, log_weights = self._standard(values), self.log_weights[:, None]
        below = logsumexp(log_weights + log_ndtr(standard), axis=0)
        above = logsumexp(log_weights + log_ndtr(-standard), axis=0)
        return jnp.where(below < above, 1.0, -1.0) * _normal_quantile(jnp.minimum(below, above))

    def quantile(self, normal: Float[Array, " T"]) -> Float[Array, " T"]:
        """s = F^-1(Phi(z)), by bisection; no gradient goes through it."""
        reach = (10.0 + jnp.max(jnp.abs(normal))) * jnp.max(self.scales) + jnp.max(jnp.abs(self.means))

        def halved(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = bracket
            middle = 0.5 * (low + high)
            too_low = self.gaussianised(middle) < normal
            return jnp.where(too_low, middle, low), jnp.where(too_low, high, middle)

        low, high = jax.lax.fori_loop(0, 60, halved, (jnp.zeros_like(normal) - reach, jnp.zeros_like(normal) + reach))
        return 0.5 * (low + high)

    def sample(self, key: PRNGKeyArray, n_samples: int) -> Float[Array, " T"]:
        """Independent draws."""
        which, noise = jax.random.split(key)
        k = jax.random.categorical(which, self.log_weights, shape=(n_samples,))
        return self.means[k] + self.scales[k] * jax.random.normal(noise, (n_samples,), jnp.float64)

    def nodes(self) -> tuple[Float[Array, " N"], Float[Array, " N"]]:
        """Values and weights with E[h(s)] = sum_i weight_i h(value_i): Gauss-Hermite in every component."""
        node, weight = np.polynomial.hermite_e.hermegauss(NODES)
        values = self.means[:, None] + self.scales[:, None] * jnp.asarray(node)[None, :]
        weights = jnp.exp(self.log_weights)[:, None] * jnp.asarray(weight / weight.sum())[None, :]
        return values.ravel(), weights.ravel()

    def tuned(self, values: Float[Array, " T"]) -> MixtureDensity:
        """Expectation maximisation (Dempster, Laird & Rubin 1977), the likelier end of two starts.

        Components side by side at the values' quantiles lead to modes, one inside another to heavy tails.
        """
        n_components = self.logits.shape[0]
        even, spread = jnp.full(n_components, 1.0 / n_components), jnp.sqrt(jnp.var(values) + LEAST_VARIANCE)
        quantiles = jnp.quantile(values, (jnp.arange(n_components) + 0.5) / n_components)
        widths = spread * 2.0 ** (1.0 - jnp.arange(n_components))
        beside = _with(self, even, quantiles, jnp.broadcast_to((spread / n_components) ** 2, even.shape))
        inside = _with(self, even, jnp.broadcast_to(jnp.mean(values), even.shape), widths**2)

        def end(start: MixtureDensity) -> tuple[MixtureDensity, Scalar]:
            mixture = jax.lax.fori_loop(0, ROUNDS, lambda _, m: m._closer(values), start)
            return mixture, jnp.sum(mixture.log_density(values))

        ends, likelihoods = jax.lax.map(end, jax.tree.map(lambda *two: jnp.stack(two), beside, inside))
        return jax.tree.map(lambda both: both[jnp.argmax(likelihoods)], ends)

    def _closer(self, values: Float[Array, " T"]) -> MixtureDensity:
        """One round of expectation maximisation."""
        share = jax.nn.softmax(self._log_parts(values), axis=0)
        count = jnp.sum(share, axis=1) + 1e-3  # a component without samples keeps a weight
        means = share @ values / count
        variances = jnp.sum(share * (values[None, :] - means[:, None]) ** 2, axis=1) / count
        return _with(self, count / jnp.sum(count), means, variances)

    def _standard(self, values: Float[Array, " T"]) -> Float[Array, "K T"]:
        return (values[None, :] - self.means[:, None]) / self.scales[:, None]

    def _log_parts(self, values: Float[Array, " T"]) -> Float[Array, "K T"]:
        constant = self.log_weights - jnp.log(self.scales) - 0.5 * math.log(2.0 * math.pi)
        return constant[:, None] - 0.5 * self._standard(values) ** 2


def log_normal(standard: Array) -> Array:
    """log phi(z)."""
    return -0.5 * (standard**2 + math.log(2.0 * math.pi))


def _normal_quantile(log_probability: Array) -> Array:
    """z < 0 with log Phi(z) as given (at most log 1/2).

    ``ndtri`` as far as probabilities are numbers, beyond that Phi(z) = phi(z) / -z; then a step of Newton's. Only the
    step is differentiated: at the root it carries the exact gradient.
    """
    fixed = jax.lax.stop_gradient(log_probability)
    square = jnp.maximum(-2.0 * fixed, -2.0 * LEAST_LOG)
    far = -jnp.sqrt(square - jnp.log(2.0 * math.pi * (square - jnp.log(2.0 * math.pi * square))))
    z = jnp.where(fixed > LEAST_LOG, ndtri(jnp.exp(jnp.maximum(fixed, LEAST_LOG))), far)
    log_reached = log_ndtr(z)
    return z - (log_reached - log_probability) * jnp.exp(log_reached - log_normal(z))


def _with(mixture: MixtureDensity, weights: Array, means: Array, variances: Array) -> MixtureDensity:
    free = 0.5 * jnp.log(jnp.maximum(variances - LEAST_VARIANCE, 1e-2 * LEAST_VARIANCE))
    parts = (jnp.log(weights), means, jnp.broadcast_to(free, weights.shape))
    where = (mixture.logits, mixture.free_means, mixture.log_scales)
    return eqx.tree_at(
        lambda m: (m.logits, m.free_means, m.log_scales),
        mixture,
        tuple(part.astype(old.dtype) for part, old in zip(parts, where, strict=True)),
    )
