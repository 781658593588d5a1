"""Heavy-tailed densities of what is new in a source at each sample: two shapes, each with a scale that is learned.

Each is symmetric, has a variance, and knows three things of itself beside its density: how to be drawn, where a set
of innovations makes it likeliest, and its Fisher information E[(d log q / de)^2], the precision that a Gaussian
would need to hold a sample as tightly as this density does on average.
"""

from __future__ import annotations

import abc
import math
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln
from jaxtyping import Array, Float, PRNGKeyArray

Scalar = Float[Array, ""]

MIN_SCALE = 1e-3  # sources are of order one and single precision: below, a density would model their rounding
LEAST_FREEDOM = 2.0  # a Student density of fewer degrees of freedom has no variance, and a source no spectrum
FREEDOMS = (2.2, 2.6, 3.2, 4.0, 5.5, 8.0, 12.0, 30.0, 100.0)  # candidates of ``tuned``, a factor of about 1.4 apart
ROUNDS = 40  # of a fixed point that more than halves the error each time


class Innovation(eqx.Module):
    """A symmetric density of independent innovations."""

    log_scale: eqx.AbstractVar[Scalar]

    @abc.abstractmethod
    def log_density(self, innovation: Float[Array, " T"]) -> Float[Array, " T"]:
        """log q(e) of each."""

    @abc.abstractmethod
    def sample(self, key: PRNGKeyArray, n_samples: int) -> Float[Array, " T"]:
        """Draw ``n_samples`` of them."""

    @abc.abstractmethod
    def tuned(self, innovation: Float[Array, " T"]) -> Innovation:
        """The same shape, as likely as can be for these innovations."""

    @property
    @abc.abstractmethod
    def variance(self) -> Scalar:
        """E[e^2]."""

    @property
    @abc.abstractmethod
    def information(self) -> Scalar:
        """Fisher information of a shift, E[(d log q / de)^2]; at least 1 / variance, equal for a Gaussian only."""


Shape = TypeVar("Shape", bound=Innovation)


class SmoothLaplace(Innovation):
    """q(e) = sech(pi e / 2 sigma) / 2 sigma, the hyperbolic secant: Laplace's density without its kink.

    Its tails fall as exp(-pi |e| / 2 sigma), close to the exp(-sqrt(2) |e| / sigma) of a Laplace density of the same
    deviation sigma, and its logarithm is smooth everywhere: at a kink the gradient of a point estimate jumps for ever
    between two values. Among the smooth forms (sqrt(e^2 + d^2) is another) this one has a closed normaliser,
    variance, distribution function and Fisher information, and no second parameter to choose. It is the density
    behind the log cosh contrast of ICA (Bell & Sejnowski 1995; Hyvarinen 1999).
    """

    log_scale: Scalar

    def __init__(self, deviation: float | Scalar = 1.0) -> None:
        self.log_scale = jnp.log(jnp.asarray(deviation, jnp.float32))

    @property
    def deviation(self) -> Scalar:
        """sigma."""
        return _floored(self.log_scale)

    def log_density(self, innovation: Float[Array, " T"]) -> Float[Array, " T"]:
        """log q(e)."""
        u = 0.5 * math.pi * innovation / self.deviation
        return -jnp.logaddexp(u, -u) - jnp.log(self.deviation)

    def sample(self, key: PRNGKeyArray, n_samples: int) -> Float[Array, " T"]:
        """e = 2 sigma / pi log tan(pi u / 2), u uniform on (0, 1): the inverse of the distribution function."""
        uniform = jax.random.uniform(key, (n_samples,), jnp.float64, minval=jnp.finfo(jnp.float64).tiny)
        return 2.0 * self.deviation / math.pi * jnp.log(jnp.tan(0.5 * math.pi * uniform))

    def tuned(self, innovation: Float[Array, " T"]) -> SmoothLaplace:
        """sigma = pi/2 mean(e tanh(pi e / 2 sigma)), where the likelihood is flat in sigma."""

        def closer(_: Array, sigma: Array) -> Array:
            pull = innovation * jnp.tanh(0.5 * math.pi * innovation / sigma)
            return jnp.maximum(0.5 * math.pi * jnp.mean(pull), MIN_SCALE)

        start = jnp.maximum(jnp.sqrt(jnp.mean(innovation**2)), MIN_SCALE)
        return _with_scale(self, jax.lax.fori_loop(0, ROUNDS, closer, start))

    @property
    def variance(self) -> Scalar:
        """sigma^2."""
        return self.deviation**2

    @property
    def information(self) -> Scalar:
        """pi^2 / 8 sigma^2: half of (pi / 2 sigma)^2, since tanh^2 is one half on average."""
        return math.pi**2 / (8.0 * self.deviation**2)


class Student(Innovation):
    """Student's t with scale lambda and nu > 2 degrees of freedom, both learned.

    q(e) = Gamma((nu + 1) / 2) / (Gamma(nu / 2) sqrt(pi nu) lambda) (1 + e^2 / nu lambda^2)^(-(nu + 1) / 2).
    """

    log_scale: Scalar
    log_freedom: Scalar  # log(nu - 2)

    def __init__(self, deviation: float | Scalar = 1.0, freedom: float | Scalar = 5.0) -> None:
        freedom = jnp.asarray(freedom, jnp.float32)
        self.log_freedom = jnp.log(freedom - LEAST_FREEDOM)
        self.log_scale = jnp.log(jnp.asarray(deviation, jnp.float32) * jnp.sqrt((freedom - LEAST_FREEDOM) / freedom))

    @property
    def freedom(self) -> Scalar:
        """nu."""
        return LEAST_FREEDOM + jnp.exp(self.log_freedom.astype(jnp.float64))

    @property
    def scale(self) -> Scalar:
        """lambda."""
        return _floored(self.log_scale)

    def log_density(self, innovation: Float[Array, " T"]) -> Float[Array, " T"]:
        """log q(e)."""
        return _student(innovation, self.scale, self.freedom)

    def sample(self, key: PRNGKeyArray, n_samples: int) -> Float[Array, " T"]:
        """Draw ``n_samples`` of them."""
        return self.scale * jax.random.t(key, self.freedom, (n_samples,), jnp.float64)

    def tuned(self, innovation: Float[Array, " T"]) -> Student:
        """The likeliest of a few degrees of freedom, each with its likeliest scale (EM; Liu & Rubin 1995)."""
        start = jnp.maximum(jnp.sqrt(jnp.mean(innovation**2)), MIN_SCALE)

        def fitted(freedom: Array) -> tuple[Array, Array]:
            def closer(_: Array, scale: Array) -> Array:
                weight = (freedom + 1.0) / (freedom + (innovation / scale) ** 2)
                return jnp.maximum(jnp.sqrt(jnp.mean(weight * innovation**2)), MIN_SCALE)

            scale = jax.lax.fori_loop(0, ROUNDS, closer, start)
            return jnp.sum(_student(innovation, scale, freedom)), scale

        freedoms = jnp.asarray(FREEDOMS, jnp.float64)
        log_likelihood, scales = jax.lax.map(fitted, freedoms)
        best = jnp.argmax(log_likelihood)
        log_freedom = jnp.log(freedoms[best] - LEAST_FREEDOM).astype(self.log_freedom.dtype)
        return eqx.tree_at(lambda q: q.log_freedom, _with_scale(self, scales[best]), log_freedom)

    @property
    def variance(self) -> Scalar:
        """lambda^2 nu / (nu - 2)."""
        return self.scale**2 * self.freedom / (self.freedom - LEAST_FREEDOM)

    @property
    def information(self) -> Scalar:
        """(nu + 1) / ((nu + 3) lambda^2)."""
        return (self.freedom + 1.0) / ((self.freedom + 3.0) * self.scale**2)


def _student(innovation: Float[Array, " T"], scale: Scalar, freedom: Scalar) -> Float[Array, " T"]:
    normaliser = gammaln(0.5 * (freedom + 1.0)) - gammaln(0.5 * freedom) - 0.5 * jnp.log(math.pi * freedom)
    return normaliser - jnp.log(scale) - 0.5 * (freedom + 1.0) * jnp.log1p((innovation / scale) ** 2 / freedom)


def _floored(log_scale: Scalar) -> Scalar:
    """The scale, double precision, never below MIN_SCALE."""
    return jnp.sqrt(jnp.exp(2.0 * log_scale.astype(jnp.float64)) + MIN_SCALE**2)


def _with_scale(innovation: Shape, scale: Scalar) -> Shape:
    free = 0.5 * jnp.log(jnp.maximum(scale**2 - MIN_SCALE**2, (0.1 * MIN_SCALE) ** 2))
    return eqx.tree_at(lambda q: q.log_scale, innovation, free.astype(innovation.log_scale.dtype))
