"""The posterior of the sources given the fitted map and priors: Gaussian about its mode (Laplace's approximation).

* The noise variance nu is where the tangent data are likeliest, with the determinant of the volume term, taking sources
  for Gaussian of the second moments that their priors have.
* The mode (``posterior.mode``) is the estimate.
* A draw of what the recording's noise leaves open is x - (K^-1 + R^2)^-1 R (R x + e), x a draw of the prior and e
  white (Matheron's rule; Doucet 2010, A note on efficient conditional simulation of Gaussian distributions).
* What the finite record leaves open about the map shows as sources leaking into each other (``posterior.cross_talk``,
  ``posterior.mixing_uncertainty``; behind a bent map ``posterior.nonlinear_cross_talk``), and comes on top. The system itself is in
  ``posterior.tangent``.
"""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray
from scipy.optimize import minimize_scalar

from stradiff.model.compiled import quick_jit
from stradiff.model.model import Model
from stradiff.model.observation_mask import Mask
from stradiff.posterior.covariance import Covariance, covariance_of, second_moments_of
from stradiff.posterior.cross_talk import CrossTalk
from stradiff.posterior.mixing_uncertainty import Evidence, remaining_cross_talk
from stradiff.posterior.nonlinear_cross_talk import NonlinearCrossTalk
from stradiff.posterior.tangent import System, Tangent, Trajectories, system_at, tangent, tangent_at
from stradiff.train.volume import log_det_of_precision, quadrature

NOISE = (1e-6, 1.0)  # where nu is looked for, in variances of a normalised channel
VISITED = 2000  # times whose determinants stand for all when nu is looked for, ..
BUDGET = 1 << 22  # .. fewer where their n x n matrices, one for every frequency, would be more numbers than this


class Posterior(eqx.Module):
    """N(mode, covariance) of the sources, in the model's own order, sign and scale."""

    mode: Trajectories
    nu: Float[Array, ""]
    """Noise variance, in variances of a normalised channel."""
    cross_talk: CrossTalk | NonlinearCrossTalk
    """What the record leaves open about the map."""

    def draw(self, here: System, key: PRNGKeyArray) -> Trajectories:
        """One draw of the sources; ``here`` is the system about the mode."""
        trajectory, leak = jax.random.split(key)
        return self.mode + deviation(here, trajectory) + self.cross_talk.draw(self.mode, leak)


def find_posterior(model: Model, observed: Array, mask: Mask, times: Array | None) -> Posterior:
    """The posterior of a fitted model; ``observed (T, m)`` normalised. Inside ``numerics()``."""
    model, observed = in_double(model), jnp.asarray(observed, jnp.float64)
    start = model.at_mean()
    nu = jnp.float64(likeliest_noise((tangent_at(model, start, observed, mask), second_moments_of(model, times))))
    evidence = Evidence(observed, mask, times, covariance_of(model, times), nu)
    mode = evidence.mode(model, start)
    return Posterior(mode, nu, remaining_cross_talk(model, mode, evidence))


def in_double(model: Model) -> Model:
    """The model with its numbers in double precision."""
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float64) if eqx.is_inexact_array(leaf) else leaf, model)


def likeliest_noise(*records: tuple[Tangent, Covariance]) -> float:
    """nu of highest marginal likelihood of all records' tangent data (type-II maximum likelihood, MacKay 1992).

    Each with the second moments of its sources (``covariance.second_moments_of``).
    """
    return noise_and_cost(*records)[0]


def noise_and_cost(*records: tuple[Tangent, Covariance]) -> tuple[float, float]:
    """That nu, and - log p(all tangent data | nu) but for a constant."""

    def cost(log_nu: float) -> float:
        return sum(_cost_of_noise(*record, jnp.exp(jnp.float64(log_nu))) for record in records)

    bounds = (math.log(NOISE[0]), math.log(NOISE[1]))
    least = minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 0.02})
    return math.exp(least.x), float(least.fun)


def _cost_of_noise(about: Tangent, covariance: Covariance, nu: Float[Array, ""]) -> float:
    """- log p(tangent data | nu), but for a constant."""
    # One by one: XLA may run factorisations of one program beside each other, and on two threads both would wait.
    return float(_log_det(about, covariance, nu)) + float(_misfit(system_at(about, covariance, nu), about, nu))


@quick_jit
def _misfit(here: System, about: Tangent, nu: Float[Array, ""]) -> Float[Array, ""]:
    return 0.5 * (here.squared(about.data / jnp.sqrt(nu)) + about.unexplained / nu)


@quick_jit
def _log_det(about: Tangent, covariance: Covariance, nu: Float[Array, ""]) -> Float[Array, ""]:
    n_sources, _, n_samples = about.gram.shape
    n_visited = max(1, min(VISITED, BUDGET // (n_sources**2 * covariance.nodes.shape[1])))
    visited = about.gram[:, :, :: max(1, n_samples // n_visited)]
    log_det = jnp.mean(log_det_of_precision(visited / nu, covariance.nodes))
    of_priors = jnp.sum(jnp.log(covariance.nodes) @ quadrature()[1])
    return 0.5 * (about.n_seen * jnp.log(nu) + n_samples * (log_det + of_priors))


def deviation(here: System, key: PRNGKeyArray) -> Trajectories:
    """One draw of the posterior at a known map, less its mode."""
    prior_key, noise_key = jax.random.split(key)
    drawn = here.covariance.sample(prior_key, here.root.shape[0])
    white = jax.random.normal(noise_key, drawn.shape, drawn.dtype)
    return drawn - here.mean(here.rooted(drawn) + white)


@quick_jit
def _draws(posterior: Posterior, here: System, keys: Key[Array, " R"]) -> Float[Array, "R n T"]:
    return jax.lax.map(lambda key: posterior.draw(here, key), keys)


@quick_jit
def variance_at_known_map(here: System, keys: Key[Array, " R"]) -> Trajectories:
    """Mean square of R draws of what deviates from the mode, one for each key."""

    def add(total: Trajectories, key: PRNGKeyArray) -> tuple[Trajectories, None]:
        return total + deviation(here, key) ** 2, None

    total, _ = jax.lax.scan(add, jnp.zeros((here.root.shape[1], here.root.shape[0])), keys)
    return total / keys.shape[0]


def system_about(model: Model, posterior: Posterior, mask: Mask, times: Array | None) -> System:
    """The system about the mode: what draws are made from; it does not depend on the recording's values."""
    model = in_double(model)
    # Tangent and covariance are factorised as well, each in a program of its own: see ``_cost_of_noise``.
    about = _tangent_about(model, posterior.mode, mask)
    return system_at(about, covariance_of(model, times), posterior.nu)


@quick_jit
def _tangent_about(model: Model, sources: Trajectories, mask: Mask) -> Tangent:
    return tangent(model, sources, model.mix(sources), mask)


def laplace_draws(model: Model, posterior: Posterior, mask: Mask, times: Array | None, keys: Key[Array, " R"]) -> Array:
    """Posterior draws ``(R, n, T)``, one for each key. Inside ``numerics()``."""
    return _draws(posterior, system_about(model, posterior, mask, times), keys)


def laplace_spread(
    model: Model, posterior: Posterior, mask: Mask, times: Array | None, keys: Key[Array, " R"]
) -> Array:
    """Posterior standard deviation ``(n, T)``: Monte Carlo over R draws at the known map, and the cross_talk on top."""
    return jnp.sqrt(
        variance_at_known_map(system_about(model, posterior, mask, times), keys)
        + posterior.cross_talk.variance(posterior.mode)
    )
