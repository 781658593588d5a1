"""The Gaussian log-density of a stationary process from its spectrum alone, in O(T log T), where memories are short.

The covariance of an evenly sampled stationary process is Toeplitz. Where the minimum-phase factor of its spectrum f,
found through the cepstrum c of log f, has died out within T lags, log|K| is given by the strong Szego limit,
T c_0 + sum_k k c_k^2 (Szego 1952; Grenander & Szego, Toeplitz Forms and Their Applications, 1958), and K^-1 by
Gohberg & Semencul's (1972) formula with the whitening filter as its generator; both up to terms as small as what is
left of cepstrum and filter at lag T.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

Scalar = Float[Array, ""]
Spectrum = Callable[[Float[Array, " F"]], Float[Array, " F"]]


def power_of_two(size: int) -> int:
    """The least power of two that is no smaller."""
    return 1 << (size - 1).bit_length()


def cepstrum_of(spectrum: Spectrum, n_samples: int) -> Float[Array, " N"]:
    """c_0 .. c_{N-1}, N >= 2 T: half of it dies out by lag T, the other half is its mirror image."""
    size = power_of_two(2 * n_samples)
    omega = 2.0 * jnp.pi * jnp.arange(size // 2 + 1) / size
    return jnp.fft.irfft(jnp.log(spectrum(omega)), size)


def log_det_and_quadratic(source: Float[Array, " T"], cepstrum: Float[Array, " N"]) -> tuple[Scalar, Scalar]:
    """log|K| and s' K^-1 s, the varying parts of Eq. 20."""
    n_samples, half = source.shape[0], cepstrum.shape[0] // 2
    log_det = n_samples * cepstrum[0] + jnp.sum(jnp.arange(half) * cepstrum[:half] ** 2)
    return log_det, _gohberg_semencul(source, whitening_filter(cepstrum)[:n_samples])


def whitening_filter(cepstrum: Float[Array, " N"]) -> Float[Array, " N"]:
    """Impulse response of 1 / (minimum-phase factor): exp(-(c_0 / 2 + sum_k c_k z^k)) (Oppenheim & Schafer)."""
    size = cepstrum.shape[0]
    fold = jnp.where(jnp.arange(size) < size // 2, 1.0, 0.0).at[0].set(0.5)
    return jnp.fft.irfft(jnp.exp(-jnp.fft.rfft(fold * cepstrum)), size)


def _gohberg_semencul(source: Float[Array, " T"], generator: Float[Array, " T"]) -> Scalar:
    """s' K^-1 s = |filtered backwards inside the record|^2 - |what runs out of its end filtered forwards|^2."""
    n_samples = source.shape[0]
    size = power_of_two(2 * n_samples)
    response = jnp.fft.rfft(generator, size)
    inside = jnp.fft.irfft(response * jnp.fft.rfft(source[::-1], size), size)[:n_samples]
    beyond = jnp.fft.irfft(response * jnp.fft.rfft(source, size), size)[n_samples : 2 * n_samples]
    return jnp.sum(inside**2) - jnp.sum(beyond**2)
