"""What the periodogram of a source says about where the parameters of its prior should start."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Scalar = Float[Array, ""]

PADDING = 8  # finer than the cycle per record that T samples resolve: a long record resolves periods by less
ROUNDS = 50  # of expectation and maximisation; the ascent that follows does the rest


def periodogram(source: Float[Array, " T"]) -> tuple[Float[Array, " F"], Float[Array, " F"]]:
    """Fourier frequencies above zero, in radians per sample, and the power there; white noise of variance 1 has 1."""
    n_samples = source.shape[0]
    power = jnp.abs(jnp.fft.rfft(source - jnp.mean(source))) ** 2 / n_samples
    return 2.0 * jnp.pi * jnp.arange(1, power.shape[0]) / n_samples, power[1:]


def whittle(source: Float[Array, " T"], spectrum: Callable[[Array], Array]) -> Scalar:
    """log-density of a Gaussian process up to a constant, O(T): -sum_w log f(w) + I(w) / f(w) (Whittle 1953)."""
    omega, power = periodogram(source)
    density = spectrum(omega)
    return -jnp.sum(jnp.log(density) + power / density)


def strongest_frequency(source: Float[Array, " T"]) -> Scalar:
    """Cycles per record at the highest peak, not below one."""
    n_samples = source.shape[0]
    power = jnp.abs(jnp.fft.rfft(source - jnp.mean(source), PADDING * n_samples))
    cycles = jnp.arange(power.shape[0]) * (n_samples - 1) / (PADDING * n_samples)
    return cycles[jnp.argmax(jnp.where(cycles < 1.0, 0.0, power))]


def mixture_of_peaks(source: Float[Array, " T"], n_peaks: int) -> tuple[Float[Array, " Q"], ...]:
    """Share, centre and standard deviation, in cycles per record, of Gaussian peaks that make up the periodogram.

    Expectation and maximisation of a Gaussian mixture, from centres at the quantiles; no peak is narrower than a cycle.
    """
    n_samples = source.shape[0]
    omega, power = periodogram(source)
    cycles, density = omega * (n_samples - 1) / (2.0 * jnp.pi), power / jnp.sum(power)
    quantile = (jnp.arange(n_peaks) + 0.5) / n_peaks
    centre = cycles[jnp.minimum(jnp.searchsorted(jnp.cumsum(density), quantile), cycles.shape[0] - 1)]
    width = jnp.full(n_peaks, jnp.sqrt(density @ (cycles - density @ cycles) ** 2) / n_peaks + 1.0)

    def improve(_: Array, peaks: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        share, centre, width = peaks
        far = (cycles[None, :] - centre[:, None]) / width[:, None]
        member = jax.nn.softmax(jnp.log(share / width)[:, None] - 0.5 * far**2, axis=0) * density[None, :]
        share = jnp.maximum(jnp.sum(member, axis=1), 1e-6)
        centre = member @ cycles / share
        spread = jnp.sum(member * (cycles[None, :] - centre[:, None]) ** 2, axis=1) / share
        return share, centre, jnp.maximum(jnp.sqrt(spread), 1.0)

    return jax.lax.fori_loop(0, ROUNDS, improve, (jnp.full(n_peaks, 1.0 / n_peaks), centre, width))
