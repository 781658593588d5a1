"""Order, sign and scale in which sources are shown: no recording determines them."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Readout:
    """``shown = raw[:, order] * gain``, as ``choose_readout`` has it."""

    order: np.ndarray
    gain: np.ndarray

    def show(self, raw: np.ndarray) -> np.ndarray:
        """Raw ``(..., n)`` -> shown ``(..., n)``."""
        return raw[..., self.order] * self.gain.astype(raw.dtype)

    def hide(self, shown: np.ndarray) -> np.ndarray:
        """The inverse of ``show``."""
        raw = np.empty_like(shown)
        raw[..., self.order] = shown / self.gain.astype(shown.dtype)
        return raw

    def spread(self, raw: np.ndarray) -> np.ndarray:
        """Standard deviations ``(..., n)``: scaled, never negative."""
        return np.abs(self.show(raw))


def choose_readout(sources: np.ndarray, observed: np.ndarray) -> Readout:
    """Slowest source first, each of unit variance, with the sign of the channel in which it is strongest.

    ``sources (T, n)`` raw, ``observed (T, m)`` standardised channels. Slowness is the mean squared difference of
    successive samples of the unit-variance source (Wiskott & Sejnowski 2002). The sign makes the covariance with the
    channel of largest absolute covariance positive. A constant source keeps gain one and comes last.
    """
    deviation = sources.std(axis=0)
    constant = ~(deviation > 1e-12)
    scale = np.where(constant, 1.0, deviation)
    standard = (sources - sources.mean(axis=0)) / scale
    slowness = np.where(constant, np.inf, np.mean(np.diff(standard, axis=0) ** 2, axis=0))
    covariance = observed.T @ standard
    strongest = covariance[np.argmax(np.abs(covariance), axis=0), np.arange(sources.shape[1])]
    order = np.argsort(slowness, kind="stable")
    return Readout(order, (np.where(strongest < 0, -1.0, 1.0) / scale)[order])
