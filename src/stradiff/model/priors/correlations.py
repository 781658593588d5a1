"""Correlation functions with parameters of their own: periods, spectral peaks, and weighted sums.

Each is one at lag zero, and its lags are in units of the record. MacKay (1998) wrote the periodic one, Wilson & Adams
(2013) spectral mixtures. Frequencies count cycles per record.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from stradiff.model.priors.kernels import KERNELS, SPECTRA, rbf_spectrum
from stradiff.model.priors.periodogram import mixture_of_peaks, strongest_frequency

Scalar = Float[Array, ""]

PEAKS = 3  # of a spectral mixture: more are seldom resolved in a record
HARMONICS = 20  # of a periodic correlation: what LEAST_SHAPE leaves of the next one is below double rounding
SCALES = 16  # length-scales to start from, one sample to the whole record: a factor of 1.6 apart at T = 1000
LEAST_SHAPE = 0.5  # of the exp-sine-squared kernel; below, its period holds more than HARMONICS can draw


class Correlation(eqx.Module):
    """What a stationary process of unit variance remembers."""

    @abc.abstractmethod
    def at(self, lag: Float[Array, "..."]) -> Float[Array, "..."]:
        """Correlation of two samples ``lag`` apart."""

    @abc.abstractmethod
    def spectrum(self, omega: Float[Array, " F"], n_samples: int) -> Float[Array, " F"]:
        """Spectrum of T even samples of it at ``omega`` (radians per sample)."""

    @property
    @abc.abstractmethod
    def length_scale(self) -> Scalar:
        """How far it reaches, in units of the record."""

    @abc.abstractmethod
    def starts(self, source: Float[Array, " T"]) -> Correlation:
        """Parameters worth trying for a source on a regular grid: the same correlation with a leading axis of tries."""

    @abc.abstractmethod
    def of_segment(self, share: float) -> Correlation:
        """The same correlation with lags in units of ``share`` of the record."""


class Plain(Correlation):
    """A kernel with nothing but a length-scale."""

    log_length_scale: Scalar
    kernel: str = eqx.field(static=True)

    def at(self, lag: Float[Array, "..."]) -> Float[Array, "..."]:
        """Correlation of two samples ``lag`` apart."""
        return KERNELS[self.kernel](jnp.abs(lag) / self.length_scale)

    def starts(self, source: Float[Array, " T"]) -> Plain:
        """Length-scales from one sample to the whole record."""
        scales = np.geomspace(1.0 / (source.shape[0] - 1), 1.0, SCALES)
        return jax.vmap(lambda scale: Plain(scale, self.kernel))(jnp.asarray(np.log(scales), jnp.float32))

    def of_segment(self, share: float) -> Plain:
        """The length-scale in units of the segment."""
        return Plain(self.log_length_scale - math.log(share), self.kernel)

    def spectrum(self, omega: Float[Array, " F"], n_samples: int) -> Float[Array, " F"]:
        """Spectrum of T even samples of it."""
        return SPECTRA[self.kernel](omega, self.length_scale * (n_samples - 1))

    @property
    def length_scale(self) -> Scalar:
        """That of the kernel."""
        return _exp(self.log_length_scale)


class Periodic(Correlation):
    """exp(-2 sin^2(pi f d) / shape^2), f in cycles per record (MacKay 1998): the same again in every period."""

    frequency: Scalar
    log_shape: Scalar

    @property
    def shape(self) -> Scalar:
        """Length-scale within a period; from LEAST_SHAPE, where a period has many wiggles, up to a plain cosine."""
        return LEAST_SHAPE + _exp(self.log_shape)

    def at(self, lag: Float[Array, "..."]) -> Float[Array, "..."]:
        """Correlation of two samples ``lag`` apart."""
        turn = 2.0 * jnp.pi * self.frequency.astype(jnp.float64) * lag
        return jnp.exp((jnp.cos(turn) - 1.0) / self.shape**2)

    def starts(self, source: Float[Array, " T"]) -> Periodic:
        """The strongest frequency as the first, second or third harmonic; periods from wiggly to plain."""
        frequency = strongest_frequency(source)
        tries = [(k, shape) for k in (1.0, 2.0, 3.0) for shape in (0.7, 1.5)]
        harmonic, shape = np.array(tries, np.float32).T
        log_shape = jnp.log(jnp.asarray(shape - LEAST_SHAPE))
        return jax.vmap(Periodic)((frequency / harmonic).astype(jnp.float32), log_shape)

    def harmonics(self) -> Float[Array, " h"]:
        """Fourier coefficients of one period: constant, then cosines."""
        angle = 2.0 * np.pi * np.arange(2 * (HARMONICS + 1)) / (2 * (HARMONICS + 1))
        values = jnp.exp((jnp.cos(jnp.asarray(angle)) - 1.0) / self.shape**2)
        return jnp.fft.rfft(values, norm="forward").real[: HARMONICS + 1]

    def modes(self, n_samples: int) -> tuple[Float[Array, " h"], Scalar]:
        """Variance of the cosine of every harmonic, the constant first, and the angle of the first one per sample."""
        step = 2.0 * jnp.pi * self.frequency.astype(jnp.float64) / (n_samples - 1)
        weight = self.harmonics() * jnp.where(jnp.arange(HARMONICS + 1) == 0, 1.0, 2.0)
        return jnp.maximum(weight, 1e-200), step  # rounding can leave less than nothing of the highest

    def places(self, n_samples: int) -> Float[Array, " lines"]:
        """Where the lines -HARMONICS .. HARMONICS are, in radians per sample."""
        order = jnp.arange(-HARMONICS, HARMONICS + 1)
        return 2.0 * jnp.pi * self.frequency.astype(jnp.float64) * order / (n_samples - 1)

    def heights(self) -> Float[Array, " lines"]:
        """Weight of every line."""
        half = self.harmonics()
        return jnp.concatenate([half[:0:-1], half])

    def spectrum(self, omega: Float[Array, " F"], n_samples: int) -> Float[Array, " F"]:
        """The mean periodogram of T samples: lines as Fejer's kernel, sin^2(T x / 2) / (T sin^2(x / 2))."""
        half = 0.5 * shorter_way(omega[:, None] - self.places(n_samples)[None, :])
        flat = jnp.abs(half) < 1e-9
        safe = jnp.where(flat, 1.0, half)
        fejer = jnp.where(flat, float(n_samples), jnp.sin(n_samples * safe) ** 2 / (n_samples * jnp.sin(safe) ** 2))
        return fejer @ self.heights()

    def of_segment(self, share: float) -> Periodic:
        """Cycles per segment."""
        return Periodic(self.frequency * share, self.log_shape)

    @property
    def length_scale(self) -> Scalar:
        """A period is repeated for good: the whole record."""
        return jnp.ones((), jnp.float64)


class LocallyPeriodic(Correlation):
    """A periodic correlation that an RBF kernel lets fade: periods resemble their neighbours most."""

    period: Periodic
    fading: Plain

    def at(self, lag: Float[Array, "..."]) -> Float[Array, "..."]:
        """Correlation of two samples ``lag`` apart."""
        return self.period.at(lag) * self.fading.at(lag)

    def starts(self, source: Float[Array, " T"]) -> LocallyPeriodic:
        """Those of the period, each with every second fading."""
        return jax.vmap(LocallyPeriodic)(
            *product([self.period.starts(source), _every_other(self.fading.starts(source))])
        )

    def spectrum(self, omega: Float[Array, " F"], n_samples: int) -> Float[Array, " F"]:
        """Every line widened to the spectrum of the fading, line by line: all at once would be forty records long."""

        def add(total: Array, line: tuple[Scalar, Scalar]) -> tuple[Array, None]:
            place, height = line
            return total + height * self.fading.spectrum(shorter_way(omega - place), n_samples), None

        lines = self.period.places(n_samples), self.period.heights()
        return jax.lax.scan(jax.checkpoint(add), jnp.zeros_like(omega), lines)[0]

    def of_segment(self, share: float) -> LocallyPeriodic:
        """Both in units of the segment."""
        return LocallyPeriodic(self.period.of_segment(share), self.fading.of_segment(share))

    @property
    def length_scale(self) -> Scalar:
        """That of the fading."""
        return self.fading.length_scale


class SpectralMixture(Correlation):
    """sum_q w_q exp(-d^2 / 2 l_q^2) cos(2 pi f_q d): Gaussian peaks in the spectrum (Wilson & Adams 2013)."""

    free_weight: Float[Array, " Q"]
    frequency: Float[Array, " Q"]
    log_length_scale: Float[Array, " Q"]

    @property
    def weight(self) -> Float[Array, " Q"]:
        """Share of the variance under every peak."""
        return jax.nn.softmax(self.free_weight.astype(jnp.float64))

    def at(self, lag: Float[Array, "..."]) -> Float[Array, "..."]:
        """Correlation of two samples ``lag`` apart."""
        frequency, length_scale = self.frequency.astype(jnp.float64), _exp(self.log_length_scale)
        far, turn = jnp.multiply.outer(lag, 1.0 / length_scale), jnp.multiply.outer(lag, 2.0 * jnp.pi * frequency)
        return jnp.cos(turn) * jnp.exp(-0.5 * far**2) @ self.weight

    def starts(self, source: Float[Array, " T"]) -> SpectralMixture:
        """Peaks fitted to the periodogram as to a density, by expectation and maximisation."""
        share, frequency, width = mixture_of_peaks(source, self.frequency.shape[0])
        reach = jnp.clip(1.0 / (2.0 * jnp.pi * width), 1.0 / (source.shape[0] - 1), 1.0)
        one = SpectralMixture(*(values.astype(jnp.float32) for values in (jnp.log(share), frequency, jnp.log(reach))))
        return jax.tree.map(lambda leaf: leaf[None], one)

    def spectrum(self, omega: Float[Array, " F"], n_samples: int) -> Float[Array, " F"]:
        """Half of every peak at f_q, half at -f_q."""
        to_samples = n_samples - 1

        def peak(frequency: Scalar, length_scale: Scalar) -> Float[Array, " F"]:
            centre = 2.0 * jnp.pi * frequency / to_samples
            both = [rbf_spectrum(shorter_way(omega + sign * centre), length_scale * to_samples) for sign in (-1.0, 1.0)]
            return 0.5 * (both[0] + both[1])

        peaks = jax.vmap(peak)(self.frequency.astype(jnp.float64), _exp(self.log_length_scale))
        return self.weight @ peaks

    def of_segment(self, share: float) -> SpectralMixture:
        """Cycles per segment, and length-scales in units of it."""
        return SpectralMixture(self.free_weight, self.frequency * share, self.log_length_scale - math.log(share))

    @property
    def length_scale(self) -> Scalar:
        """The mean over the peaks, by their share of the variance, of the logarithm."""
        return jnp.exp(self.weight @ self.log_length_scale.astype(jnp.float64))


class Sum(Correlation):
    """Independent parts, each with its share of the variance."""

    parts: tuple[Correlation, ...]
    free_weight: Float[Array, " P"]

    @property
    def weight(self) -> Float[Array, " P"]:
        """Share of the variance of every part."""
        return jax.nn.softmax(self.free_weight.astype(jnp.float64))

    def at(self, lag: Float[Array, "..."]) -> Float[Array, "..."]:
        """Correlation of two samples ``lag`` apart."""
        return jnp.tensordot(self.weight, jnp.stack([part.at(lag) for part in self.parts]), 1)

    def starts(self, source: Float[Array, " T"]) -> Sum:
        """Every part at every second of its own starts, all with the same share."""
        parts = product([_every_other(part.starts(source)) for part in self.parts])
        tries = jax.tree.leaves(parts)[0].shape[0]
        return jax.vmap(Sum)(tuple(parts), jnp.zeros((tries, len(self.parts)), jnp.float32))

    def spectrum(self, omega: Float[Array, " F"], n_samples: int) -> Float[Array, " F"]:
        """Spectrum of T even samples of it."""
        return self.weight @ jnp.stack([part.spectrum(omega, n_samples) for part in self.parts])

    def of_segment(self, share: float) -> Sum:
        """All in units of the segment."""
        return Sum(tuple(part.of_segment(share) for part in self.parts), self.free_weight)

    @property
    def length_scale(self) -> Scalar:
        """The mean over the parts, by their share of the variance, of the logarithm."""
        return jnp.exp(self.weight @ jnp.log(jnp.stack([part.length_scale for part in self.parts])))


def correlation_of(kernel: str, length_scale: float) -> Correlation:
    """The correlation that a kernel names, at its initial parameters; "+" between names makes a sum."""
    names = kernel.split("+")
    parts = tuple(PARTS[name](length_scale) for name in names)
    return parts[0] if len(parts) == 1 else Sum(parts, jnp.zeros(len(parts), jnp.float32))


def _plain(kernel: str) -> Callable[[float], Correlation]:
    return lambda length_scale: Plain(_logarithm(length_scale), kernel)


def _periodic(length_scale: float) -> Periodic:
    return Periodic(jnp.asarray(1.0 / length_scale, jnp.float32), jnp.zeros((), jnp.float32))


def _locally_periodic(length_scale: float) -> LocallyPeriodic:
    return LocallyPeriodic(_periodic(length_scale), Plain(_logarithm(5.0 * length_scale), "rbf"))


def _spectral_mixture(length_scale: float) -> SpectralMixture:
    frequency = jnp.arange(PEAKS, dtype=jnp.float32) / (PEAKS * length_scale)
    return SpectralMixture(jnp.zeros(PEAKS, jnp.float32), frequency, jnp.full(PEAKS, _logarithm(length_scale)))


def _logarithm(value: float) -> Array:
    return jnp.log(jnp.asarray(value, jnp.float32))


PARTS: dict[str, Callable[[float], Correlation]] = {
    **{kernel: _plain(kernel) for kernel in KERNELS},
    "periodic": _periodic,
    "locally_periodic": _locally_periodic,
    "spectral_mixture": _spectral_mixture,
}
"""What a kernel can be, or a sum such as "rbf+matern12" be made of, by an initial length-scale."""


def shorter_way(angle: Float[Array, "..."]) -> Float[Array, "..."]:
    """The same angle between -pi and pi."""
    return jnp.remainder(angle + jnp.pi, 2.0 * jnp.pi) - jnp.pi


def product(parts: Sequence[Correlation]) -> list[Any]:
    """Every try of one with every try of the others."""
    sizes = [jax.tree.leaves(part)[0].shape[0] for part in parts]
    places = np.meshgrid(*map(np.arange, sizes), indexing="ij")
    return [
        jax.tree.map(lambda leaf, place=place: leaf[np.ravel(place)], part)
        for part, place in zip(parts, places, strict=True)
    ]


def _every_other(tries: Correlation) -> Correlation:
    return jax.tree.map(lambda leaf: leaf[::2], tries)


def _exp(logarithm: Array) -> Array:
    return jnp.exp(logarithm.astype(jnp.float64))
