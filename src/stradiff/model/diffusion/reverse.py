"""From a Gaussian start to a source: the deterministic reverse diffusion (Eqs. 11, 13-15)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from stradiff.model.diffusion.networks import DenseNetwork, Network
from stradiff.model.diffusion.schedule import Schedule

STABILISER = 1e-8  # the epsilon of Eq. 13, negligible unless alpha-bar is


def clean_estimate(
    noisy: Float[Array, " T"], noise: Float[Array, " T"], alpha_bar: float | Float[Array, ""]
) -> Float[Array, " T"]:
    """x^_0 = (x - sqrt(1 - abar) noise) / (sqrt(abar) + stabiliser) (Eq. 13)."""
    return (noisy - jnp.sqrt(1.0 - alpha_bar) * noise) / (jnp.sqrt(alpha_bar) + STABILISER)


def reverse_step(
    noisy: Float[Array, " T"],
    noise: Float[Array, " T"],
    alpha_bar: float | Float[Array, ""],
    alpha_bar_next: float | Float[Array, ""],
) -> Float[Array, " T"]:
    """x_{tau-1} = sqrt(abar_{tau-1}) x^_0 + sqrt(1 - abar_{tau-1}) noise (Eq. 14)."""
    clean = clean_estimate(noisy, noise, alpha_bar)
    return jnp.sqrt(alpha_bar_next) * clean + jnp.sqrt(1.0 - alpha_bar_next) * noise


def reverse_path(network: Network | None, start: Float[Array, " T"], schedule: Schedule) -> Float[Array, "states T"]:
    """All states x_L = z, .., x_0 = s (Eqs. 11, 13-15), x_L first; constant without a network."""
    if network is None:
        return jnp.broadcast_to(start, (schedule.length + 1, *start.shape))

    def step(noisy: Float[Array, " T"], tau: Array) -> tuple[Array, Array]:
        following = _step(network, noisy, tau, schedule)
        return following, following

    _, states = jax.lax.scan(step, start, jnp.arange(schedule.length, 0, -1))
    return jnp.concatenate([start[None, :], states])


def generate(network: Network | None, start: Float[Array, " T"], schedule: Schedule) -> Float[Array, " T"]:
    """s = x_0 alone (Eq. 15), the last state of ``reverse_path``, by the fastest algorithm for the network."""
    if network is None:
        return start
    if isinstance(network, DenseNetwork):
        return _generate_in_code(network, start, schedule)

    @jax.checkpoint  # keeps only the states x_tau for the gradient
    def step(noisy: Float[Array, " T"], tau: Array) -> tuple[Array, None]:
        return _step(network, noisy, tau, schedule), None

    end, _ = jax.lax.scan(step, start, jnp.arange(schedule.length, 0, -1))
    return end


def _step(network: Network, noisy: Float[Array, " T"], tau: Array, schedule: Schedule) -> Float[Array, " T"]:
    """From x_tau to x_{tau-1} (Eqs. 11, 13, 14)."""
    alpha_bar = jnp.asarray(schedule.alpha_bar, noisy.dtype)
    noise = network(noisy, tau.astype(noisy.dtype) / schedule.length)
    return reverse_step(noisy, noise, alpha_bar[tau], alpha_bar[tau - 1])


def step_coefficients(schedule: Schedule) -> tuple[np.ndarray, np.ndarray]:
    """(a, b) with x_{tau-1} = a_tau x_tau + b_tau noise_tau, tau = L .. 1: Eq. 13 inserted into Eq. 14."""
    current, following = schedule.alpha_bar[:0:-1], schedule.alpha_bar[-2::-1]
    a = np.sqrt(following) / (np.sqrt(current) + STABILISER)
    return a, np.sqrt(1.0 - following) - a * np.sqrt(1.0 - current)


def _generate_in_code(network: DenseNetwork, start: Float[Array, " T"], schedule: Schedule) -> Float[Array, " T"]:
    """The reverse path in terms of the first layer of the network: exact, with arrays of length T only at its two ends.

    A step is linear in x and in the noise, the noise is affine in the last hidden layer h, and the network depends on x
    only through the code p = E x. So p follows p_{tau-1} = a p_tau + b (E D h_tau + E d), and
    x_0 = (prod a) x_L + D (sum_tau w_tau h_tau) + d sum_tau w_tau with w_tau = b_tau times the a of all later steps.
    """
    a, b = step_coefficients(schedule)
    later = np.concatenate([np.cumprod(a[:0:-1])[::-1], [1.0]])
    levels = np.arange(schedule.length, 0, -1) / schedule.length
    feedback, offset = network.weight_in @ network.weight_out, network.encode(network.bias_out)

    def step(code: Array, coefficients: tuple[Array, ...]) -> tuple[Array, Array]:
        a_tau, b_tau, level = coefficients
        hidden = network.core(code, level)
        return a_tau * code + b_tau * (feedback @ hidden + offset), hidden

    steps = tuple(jnp.asarray(values, start.dtype) for values in (a, b, levels))
    _, hidden = jax.lax.scan(step, network.encode(start), steps)
    weights = jnp.asarray(b * later, start.dtype)
    noise = network.weight_out @ (weights @ hidden) + network.bias_out * jnp.sum(weights)
    return float(np.prod(a)) * start + noise
