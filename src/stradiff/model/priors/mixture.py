"""Sources whose values follow a Gaussian mixture: independent in time, or with the memory of an autoregression.

Memory enters as a Gaussian copula: s_t = F^-1(Phi(z_t)), F the mixture's distribution function and z a stationary
Gaussian autoregression of variance one (Joe, Dependence Modeling with Copulas, 2014; Wilson & Ghahramani, Copula
Processes, 2010). Then F stays the distribution of every sample however long the source remembers. Mixture *innovations*
would not do: a slow source averages many of them and comes out nearly Gaussian, its modes gone. By the change of
variables,

    log p(s) = log N(z; 0, R) + sum_t [log f(s_t) - log phi(z_t)],   z_t = Phi^-1(F(s_t)).

The spectrum of independent samples is flat at their variance. One over it says little about how tightly a narrow mode
holds a value, so ``precision_spectrum`` gives the Fisher information instead: the curvature of -log p(s) on average.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.model.priors import partial_autocorrelation as pacf
from stradiff.model.priors.base import Prior
from stradiff.model.priors.gaussian_mixture import MixtureDensity, log_normal

Scalar = Float[Array, ""]

DEGREES = 24  # of Hermite polynomials; what lies beyond is counted as if of the last degree


class MixturePrior(Prior):
    """A source with a Gaussian mixture as the distribution of its values.

    Parameters
    ----------
    n_components : K.
    order : p of the latent autoregression; 0 makes independent samples, and holds at any times.
    n_samples : T, in which ``length_scale`` is counted.
    """

    marginal: MixtureDensity
    free: Float[Array, " p"]
    n_samples: int = eqx.field(static=True)

    def __init__(self, n_components: int, order: int, n_samples: int, deviation: float = 1.0) -> None:
        self.marginal = MixtureDensity(n_components, deviation)
        self.free = jnp.zeros(order, jnp.float32)
        self.n_samples = n_samples

    @property
    def partial(self) -> Float[Array, " p"]:
        """Partial autocorrelations of the latent autoregression, double precision."""
        return pacf.partial_autocorrelations(self.free.astype(jnp.float64))

    def log_prob(self, source: Float[Array, " T"], times: Float[Array, " T"] | None) -> Scalar:
        """The log-density above."""
        source = source.astype(jnp.float64)
        if not self._remembers(times):
            return jnp.sum(self.marginal.log_density(source))
        latent = self.marginal.gaussianised(source)
        return jnp.sum(self._log_slope(source, latent)) + self._log_latent(latent)

    def sample(self, key: PRNGKeyArray, n_samples: int, times: Float[Array, " T"] | None) -> Float[Array, " T"]:
        """A latent trajectory, and the values at its ranks."""
        if not self._remembers(times):
            return self.marginal.sample(key, n_samples)
        errors = jnp.sqrt(self._variances(n_samples)) * jax.random.normal(key, (n_samples,), jnp.float64)
        return self.marginal.quantile(pacf.from_prediction_errors(errors, self.partial))

    def tuned(self, source: Float[Array, " T"], times: Float[Array, " T"] | None) -> MixturePrior:
        """The mixture by expectation maximisation, then Burg's autoregression of what it makes Gaussian."""
        source = source.astype(jnp.float64)
        moved = eqx.tree_at(lambda prior: prior.marginal, self, self.marginal.tuned(source))
        if not self._remembers(times):
            return moved
        partial = pacf.burg(moved.marginal.gaussianised(source), self.free.shape[0])
        return eqx.tree_at(lambda prior: prior.free, moved, pacf.free_from(partial).astype(self.free.dtype))

    def of_segment(self, share: float) -> MixturePrior:
        """The same: all parameters count in samples, and the length-scale in those of the segment."""
        return pacf.in_segment(self, share)

    def spectrum(self, omega: Float[Array, " F"], n_samples: int) -> Float[Array, " F"]:
        """sum_k cos(w k) sum_q c_q^2 rho_k^q, c_q the Hermite coefficients of F^-1(Phi(z)) (Mehler's formula).

        Flat at the variance for independent samples. That of q = 1 is the autoregression's spectrum and needs no sum.
        The sum ends with the record, and fades out towards it: where a source remembers longer, a sudden end would be
        power at every frequency, and negative at half of them, which no power of rho has.
        """
        omega = omega.astype(jnp.float64)
        values, weights = self.marginal.nodes()
        powers = _hermite_powers(values, self.marginal.gaussianised(values), weights)
        impulse = jnp.zeros(n_samples, jnp.float64).at[0].set(1.0)
        rho = pacf.from_prediction_errors(impulse, self.partial)  # the response to one start is the autocorrelation
        fading = 0.5 + 0.5 * jnp.cos(jnp.pi * jnp.arange(n_samples) / n_samples)
        nonlinear = fading * _polynomial(powers.at[:2].set(0.0), rho)
        size = 8 << (n_samples - 1).bit_length()  # frequencies a quarter as far apart as a record can tell them
        at_nodes = 2.0 * jnp.fft.rfft(nonlinear, size).real - nonlinear[0]
        of_nonlinear = jnp.interp(omega, 2.0 * jnp.pi * jnp.arange(size // 2 + 1) / size, at_nodes)
        linear = pacf.unpredicted(self.partial)[-1] / pacf.response(self.partial, omega)
        return powers[1] * linear + jnp.maximum(of_nonlinear, 0.0)

    def precision_spectrum(self, omega: Float[Array, " F"], n_samples: int) -> Float[Array, " F"]:
        """Spectrum of the Fisher information E[-d^2 log p / ds ds'], exact but for the ends of the record.

        With u = dz/ds and P = R^-1, which reaches p lags only: P_k E[u_t u_{t+k}] at lag k, and E[(du/dz)^2] more at
        lag 0; E[u_t u_{t+k}] by Mehler's formula.
        """
        values, weights = self.marginal.nodes()
        latent = self.marginal.gaussianised(values)
        slope = jnp.exp(self._log_slope(values, latent))
        curvature = self.marginal.score(values) + latent * slope  # d log u / ds = du / dz
        order, whitening = self.free.shape[0], jnp.concatenate([jnp.ones(1), -pacf.predictors(self.partial)[-1]])
        precision = jnp.correlate(whitening, whitening, mode="full")[order:] / pacf.unpredicted(self.partial)[-1]
        rho = pacf.from_prediction_errors(jnp.zeros(order + 1, jnp.float64).at[0].set(1.0), self.partial)
        information = precision * _polynomial(_hermite_powers(slope, latent, weights), rho)
        return _cosine_sum(information.at[0].add(weights @ curvature**2), omega.astype(jnp.float64))

    @property
    def length_scale(self) -> Scalar:
        """Memory of the latent autoregression, as the RBF length-scale that remembers as much."""
        return pacf.memory(self.partial) / (self.n_samples - 1)

    def _remembers(self, times: Float[Array, " T"] | None) -> bool:
        if self.free.shape[0]:
            pacf.refuse_irregular(times, "gmm_ar (a mixture with memory)")
        return self.free.shape[0] > 0

    def _variances(self, n_samples: int) -> Float[Array, " T"]:
        return pacf.unpredicted(self.partial)[jnp.minimum(jnp.arange(n_samples), self.free.shape[0])]

    def _log_latent(self, latent: Float[Array, " T"]) -> Scalar:
        """log N(z; 0, R)."""
        variance = self._variances(latent.shape[0])
        errors = pacf.prediction_errors(latent, self.partial)
        return jnp.sum(log_normal(errors / jnp.sqrt(variance)) - 0.5 * jnp.log(variance))

    def _log_slope(self, values: Array, latent: Array) -> Array:
        """log dz/ds = log f(s) - log phi(z).

        The slope is below 10 / min sigma_k; so said, because far outside all data both logarithms are so large that
        nothing but rounding is left of their difference.
        """
        slope = self.marginal.log_density(values) - log_normal(latent)
        return jnp.minimum(slope, jnp.log(10.0 / jnp.min(self.marginal.scales)))


def _hermite_powers(function: Array, latent: Array, weights: Array) -> Float[Array, " q"]:
    """c_q^2 with c_q = E[g(z) He_q(z)] / sqrt(q!), q = 0 .. DEGREES - 1, and all that is left of E[g^2] after them."""
    before, polynomial, powers = jnp.zeros_like(latent), jnp.ones_like(latent), []
    for q in range(DEGREES):
        powers.append((weights @ (function * polynomial)) ** 2)
        before, polynomial = polynomial, (latent * polynomial - q**0.5 * before) / (q + 1) ** 0.5
    rest = weights @ function**2 - sum(powers)
    return jnp.stack([*powers, jnp.maximum(rest, 0.0)])


def _polynomial(coefficients: Float[Array, " q"], rho: Float[Array, " k"]) -> Float[Array, " k"]:
    return jnp.polyval(coefficients[::-1], rho)


def _cosine_sum(covariance: Float[Array, " k"], omega: Float[Array, " F"]) -> Float[Array, " F"]:
    """c_0 + 2 sum_k c_k cos(w k)."""
    lag = jnp.arange(1, covariance.shape[0])
    return covariance[0] + 2.0 * jnp.cos(omega[:, None] * lag[None, :]) @ covariance[1:]
