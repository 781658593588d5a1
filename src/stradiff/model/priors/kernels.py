"""Correlation functions of distance measured in length-scales, kernel(0) = 1, and the spectra of their samples.

RBF is the paper's (Eq. 18). The Matern family is that of Rasmussen & Williams, Gaussian Processes for Machine
Learning (2006), Eq. 4.17; its spectral densities are Eq. 4.15.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Correlation = Callable[[Float[Array, "..."]], Float[Array, "..."]]
Spectrum = Callable[[Float[Array, " F"], Float[Array, ""]], Float[Array, " F"]]

SHORT = 0.8  # samples: from here two aliases on either side hold an RBF spectrum to rounding, below six lags do


def rbf(distance: Float[Array, "..."]) -> Float[Array, "..."]:
    """exp(-r^2 / 2)."""
    return jnp.exp(-0.5 * distance**2)


def matern12(distance: Float[Array, "..."]) -> Float[Array, "..."]:
    """exp(-r)."""
    return jnp.exp(-distance)


def matern32(distance: Float[Array, "..."]) -> Float[Array, "..."]:
    """(1 + sqrt(3) r) exp(-sqrt(3) r)."""
    r = jnp.sqrt(3.0) * distance
    return (1.0 + r) * jnp.exp(-r)


def matern52(distance: Float[Array, "..."]) -> Float[Array, "..."]:
    """(1 + sqrt(5) r + 5 r^2 / 3) exp(-sqrt(5) r)."""
    r = jnp.sqrt(5.0) * distance
    return (1.0 + r + r**2 / 3.0) * jnp.exp(-r)


KERNELS: dict[str, Correlation] = {
    "rbf": rbf,
    "matern12": matern12,
    "matern32": matern32,
    "matern52": matern52,
}


def rbf_spectrum(omega: Float[Array, " F"], length_scale: Float[Array, ""]) -> Float[Array, " F"]:
    """Spectrum of exp(-d^2 / 2 l^2) sampled at whole d: the aliased sum of Gaussians (Poisson summation).

    Below SHORT samples the cosine sum over the few lags that still correlate takes fewer terms.
    """

    def from_aliases() -> Float[Array, " F"]:
        long = jnp.maximum(length_scale, SHORT)
        aliased = jnp.sum(jnp.exp(-0.5 * (long * _aliases(omega, 2)) ** 2), axis=1)
        return math.sqrt(2.0 * math.pi) * long * aliased

    def from_lags() -> Float[Array, " F"]:
        lag = jnp.arange(1, 7)
        near = jnp.exp(-0.5 * (lag / jnp.clip(length_scale, 1e-3, SHORT)) ** 2)
        return 1.0 + 2.0 * jnp.sum(jnp.cos(omega[:, None] * lag[None, :]) * near[None, :], axis=1)

    return jax.lax.cond(length_scale < SHORT, from_lags, from_aliases)


def matern12_spectrum(omega: Float[Array, " F"], length_scale: Float[Array, ""]) -> Float[Array, " F"]:
    """Of exp(-d / l): a first-order autoregression, in closed form."""
    step = jnp.exp(-1.0 / length_scale)
    return (1.0 - step**2) / (1.0 - 2.0 * step * jnp.cos(omega) + step**2)


def matern32_spectrum(omega: Float[Array, " F"], length_scale: Float[Array, ""]) -> Float[Array, " F"]:
    """Of (1 + a k) exp(-a k), a = sqrt(3) / l, summed over whole k: 1 + 2 Re [m_0 + a m_1]."""
    rate = math.sqrt(3.0) / length_scale
    zeroth, first, _ = _moments(omega, rate)
    return 1.0 + 2.0 * (zeroth + rate * first)


def matern52_spectrum(omega: Float[Array, " F"], length_scale: Float[Array, ""]) -> Float[Array, " F"]:
    """Of (1 + a k + a^2 k^2 / 3) exp(-a k), a = sqrt(5) / l: 1 + 2 Re [m_0 + a m_1 + a^2 m_2 / 3]."""
    rate = math.sqrt(5.0) / length_scale
    zeroth, first, second = _moments(omega, rate)
    return 1.0 + 2.0 * (zeroth + rate * first + rate**2 / 3.0 * second)


def _moments(omega: Float[Array, " F"], rate: Float[Array, ""]) -> tuple[Float[Array, " F"], ...]:
    """Re m_j, m_j = sum_{k >= 1} k^j z^k at z = exp(-rate + i w)."""
    z = jnp.exp(-rate + 1j * omega)
    rest = 1.0 - z
    moments = (z / rest, z / rest**2, z * (1.0 + z) / rest**3)
    return tuple(moment.real for moment in moments)


def _aliases(omega: Float[Array, " F"], images: int) -> Float[Array, "F images"]:
    return omega[:, None] + 2.0 * jnp.pi * jnp.arange(-images, images + 1)[None, :]


SPECTRA: dict[str, Spectrum] = {
    "rbf": rbf_spectrum,
    "matern12": matern12_spectrum,
    "matern32": matern32_spectrum,
    "matern52": matern52_spectrum,
}
