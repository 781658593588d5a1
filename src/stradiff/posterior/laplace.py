"""The posterior of the sources given the fitted map and priors: Gaussian about its mode (Laplace's approximation).

* The noise variance nu maximises the marginal likelihood of the linearised data, with the determinant of the volume
  term and Gaussian sources of the second moments of their priors.
* The mode (``posterior.mode``) is the estimate.
* A draw of the error at a known map is x - (K^-1 + R^2)^-1 R (R x + e), x a draw of the prior and e white noise
  (Matheron's rule; Doucet 2010, A note on efficient conditional simulation of Gaussian distributions). The system is
  that of ``posterior.linearisation``.
* The uncertainty of the map adds cross-talk between the sources (``posterior.cross_talk``,
  ``posterior.mixing_uncertainty``; after nonlinear mixing ``posterior.nonlinear_cross_talk``).
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
from stradiff.posterior.covariance import Covariance, covariance_of
from stradiff.posterior.cross_talk import CrossTalk
from stradiff.posterior.linearisation import Linearisation, System, Trajectories, linearise, system_of
from stradiff.posterior.nonlinear_cross_talk import NonlinearCrossTalk
from stradiff.train.volume import log_det_of_precision, quadrature

NOISE_BOUNDS = (1e-6, 1.0)  # of nu, in variances of a normalised channel
MAX_TIMES = 2000  # whose determinants represent all in the likelihood of nu, ..
BUDGET = 1 << 22  # .. fewer where their n x n matrices, one for every frequency, would hold more numbers than this


class Posterior(eqx.Module):
    """N(mode, covariance) of the sources, in the model's own order, sign and scale."""

    mode: Trajectories
    nu: Float[Array, ""]
    """Noise variance, in variances of a normalised channel."""
    cross_talk: CrossTalk | NonlinearCrossTalk
    """Uncertainty of the map."""


def in_double(model: Model) -> Model:
    """The model with its numbers in double precision."""
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float64) if eqx.is_inexact_array(leaf) else leaf, model)


def fit_noise_variance(*records: tuple[Linearisation, Covariance]) -> tuple[float, float]:
    """nu of highest marginal likelihood of all records (type-II maximum likelihood, MacKay 1992), and the cost there.

    Each record comes with the second moments of its sources (``covariance.second_moments_of``); the cost is
    -log p(data | nu) up to a constant.
    """

    def cost(log_nu: float) -> float:
        return sum(_noise_cost(*record, jnp.exp(jnp.float64(log_nu))) for record in records)

    bounds = (math.log(NOISE_BOUNDS[0]), math.log(NOISE_BOUNDS[1]))
    optimum = minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 0.02})
    return math.exp(optimum.x), float(optimum.fun)


def _noise_cost(linearisation: Linearisation, covariance: Covariance, nu: Float[Array, ""]) -> float:
    """-log p(data | nu), up to a constant."""
    # One by one: factorisations of one program may run in parallel, and on two threads they can deadlock.
    system = system_of(linearisation, covariance, nu)
    return float(_log_det(linearisation, covariance, nu)) + float(_misfit(system, linearisation, nu))


@quick_jit
def _misfit(system: System, linearisation: Linearisation, nu: Float[Array, ""]) -> Float[Array, ""]:
    return 0.5 * (system.mahalanobis(linearisation.data / jnp.sqrt(nu)) + linearisation.residual / nu)


@quick_jit
def _log_det(linearisation: Linearisation, covariance: Covariance, nu: Float[Array, ""]) -> Float[Array, ""]:
    n_sources, _, n_samples = linearisation.gram.shape
    n_times = max(1, min(MAX_TIMES, BUDGET // (n_sources**2 * covariance.node_power.shape[1])))
    gram = linearisation.gram[:, :, :: max(1, n_samples // n_times)]
    log_det = jnp.mean(log_det_of_precision(gram / nu, covariance.node_power))
    prior_log_det = jnp.sum(jnp.log(covariance.node_power) @ quadrature()[1])
    return 0.5 * (linearisation.n_seen * jnp.log(nu) + n_samples * (log_det + prior_log_det))


def posterior_system(model: Model, posterior: Posterior, mask: Mask, times: Array | None) -> System:
    """The system about the mode, from which errors are drawn; it does not depend on the recording's values."""
    # Linearisation, covariance and system are factorised in a program each: see ``_noise_cost``.
    model = in_double(model)
    return system_of(_linearise_mode(model, posterior.mode, mask), covariance_of(model, times), posterior.nu)


@quick_jit
def _linearise_mode(model: Model, mode: Trajectories, mask: Mask) -> Linearisation:
    return linearise(model, mode, model.mix(mode), mask)


def draw_error(system: System, key: PRNGKeyArray) -> Trajectories:
    """One draw of sources minus mode, at a known map."""
    prior_key, noise_key = jax.random.split(key)
    prior_draw = system.covariance.sample(prior_key, system.root.shape[0])
    noise = jax.random.normal(noise_key, prior_draw.shape, prior_draw.dtype)
    return prior_draw - system.mean(system.rooted(prior_draw) + noise)


@quick_jit
def draw_errors(system: System, keys: Key[Array, " R"]) -> Float[Array, "R n T"]:
    """Draws of sources minus mode, at a known map, one for each key."""
    return jax.lax.map(lambda key: draw_error(system, key), keys)


@quick_jit
def error_variance(system: System, keys: Key[Array, " R"]) -> Trajectories:
    """Mean square of R draws of sources minus mode, at a known map, one for each key."""

    def add(total: Trajectories, key: PRNGKeyArray) -> tuple[Trajectories, None]:
        return total + draw_error(system, key) ** 2, None

    total, _ = jax.lax.scan(add, jnp.zeros((system.root.shape[1], system.root.shape[0])), keys)
    return total / keys.shape[0]
