"""Recordings like an EEG: dipoles in a head of three shells, blinks, line noise, and bad channels. A model of our own.

The potential of a dipole in concentric shells is a series of Legendre polynomials (Salu, Cohen, Rose, Sato, Kufta &
Hallett 1990; Nunez & Srinivasan 2006, appendix G); its coefficients follow here from the conditions at the boundaries,
order by order from the scalp inwards. Radii of 0.87, 0.92 and 1 and a skull that conducts 80 times worse than brain and
scalp are the usual ones (Rush & Driscoll 1968).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from contest.problems import Example, Problem

from generators.problems import decibels
from stradiff.data.sources import modulated_sources, standardise

Rng = np.random.Generator
RADII = (0.87, 0.92, 1.0)
CONDUCTIVITIES = (0.33, 0.33 / 80, 0.33)
"""Of brain, skull and scalp, in S/m."""
RATE = 128.0
"""Samples per second."""
LINE = 50.0
RHYTHMS = (10.0, 6.0, 20.0, 12.0, 8.0, 30.0, 15.0, 24.0)
"""Of the dipoles, in Hz: as many of them as there are dipoles."""
LOUDNESS_OF_BLINKS, LOUDNESS_OF_LINE = 2.0, 0.5
"""Standard deviations over all channels, where each dipole has 1."""
BAD = 5.0
"""Standard deviation of a bad channel's noise, where a good one's signal has about 1."""


@dataclass(frozen=True)
class Head(Problem):
    """``n_sources`` are dipoles with amplitude-modulated rhythms, then the blinks, and the line noise last."""

    n_bad: int = 2
    """Channels that record little but noise."""

    def draw(self, seed: int, real: Path | None = None) -> Example:
        """The recording at ``seed``, against the average of all channels before noise."""
        source_rng, mixing_rng, noise_rng = np.random.default_rng(seed).spawn(3)
        S = time_courses(source_rng, self.n_samples, self.n_sources - 2)
        matrix = topographies(mixing_rng, self.n_channels, self.n_sources - 2)
        noise_free = S @ matrix.T
        deviation = self.noise * noise_free.std(axis=0)
        deviation[noise_rng.choice(self.n_channels, self.n_bad, replace=False)] = BAD * noise_free.std()
        return Example(noise_free + deviation * noise_rng.standard_normal(noise_free.shape), S, noise_free, matrix)


def head(n_channels: int, n_samples: int = 1000, n_dipoles: int = 4, noise: float = 0.05, n_bad: int = 2) -> Head:
    """A problem with ``n_dipoles`` + 2 sources; ``noise`` is the share of the variance of good channels."""
    size = f"{n_channels} channels" + ("" if n_samples == 1000 else f", T = {n_samples:,}")
    words = (
        f"{n_dipoles} dipoles in a head of three shells, blinks, {LINE:g} Hz; n = {n_dipoles + 2}, m = {n_channels}, "
    )
    words += f"T = {n_samples:,} at {RATE:g} Hz; {decibels(noise)}, {n_bad} bad channels"
    return Head(
        name=f"EEG-like, {size}",
        sources="head",
        n_sources=n_dipoles + 2,
        n_channels=n_channels,
        n_samples=n_samples,
        noise=math.sqrt(noise),
        description=words,
        n_bad=n_bad,
    )


def time_courses(rng: Rng, n_samples: int, n_dipoles: int) -> np.ndarray:
    """Rhythms, blinks, and the line ``(T, n_dipoles + 2)``, standardised."""
    rhythms = modulated_sources(n_samples, np.array(RHYTHMS[:n_dipoles]) / RATE, seed=rng)
    t = np.arange(n_samples) / RATE
    line = (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(0.05, 0.2) * t)) * np.sin(2 * np.pi * (LINE * t + rng.uniform()))
    return standardise(np.column_stack([rhythms, blinks(rng, t), line]))


def blinks(rng: Rng, t: np.ndarray) -> np.ndarray:
    """Pulses ``(T,)`` of a fifth to two fifths of a second, about one in three seconds and at least two."""
    duration = t[-1]
    count = max(2, round(duration / 3))
    begin = (np.arange(count) + rng.uniform(0.1, 0.7, count)) * duration / count
    width, height = rng.uniform(0.2, 0.4, count), rng.uniform(0.8, 1.2, count)
    phase = np.clip((t[:, None] - begin) / width, 0, 1)
    return (height * np.sin(np.pi * phase**0.7) ** 2).sum(axis=1)


def topographies(rng: Rng, n_channels: int, n_dipoles: int) -> np.ndarray:
    """The mixing matrix ``(m, n_dipoles + 2)``, against the average over channels."""
    electrodes = cap(n_channels)
    places = spread(rng, n_dipoles)
    moments = places + 0.5 * rng.standard_normal((n_dipoles, 3))  # mostly radial, as at the crown of a gyrus
    columns = [
        lead_field(electrodes, rng.uniform(0.7, 0.8) * a)[:, 0] @ b for a, b in zip(places, moments, strict=True)
    ]
    eyes = np.array([[0.25, 0.72, -0.2], [-0.25, 0.72, -0.2]])
    columns.append((lead_field(electrodes, eyes) @ np.array([0.0, 0.7, 0.7])).sum(axis=1))
    columns.append(1 + 0.5 * rng.standard_normal(n_channels))
    matrix = np.column_stack(columns)
    matrix -= matrix.mean(axis=0)
    loudness = np.array([1.0] * n_dipoles + [LOUDNESS_OF_BLINKS, LOUDNESS_OF_LINE])
    return matrix / matrix.std(axis=0) * loudness


def cap(n_channels: int) -> np.ndarray:
    """Electrodes ``(m, 3)`` on the unit sphere, evenly from the crown (z = 1) to a little below the equator."""
    z = 1 - 1.25 * (np.arange(n_channels) + 0.5) / n_channels
    turn = np.pi * (3 - 5**0.5) * np.arange(n_channels)
    return np.column_stack([np.sqrt(1 - z**2) * np.cos(turn), np.sqrt(1 - z**2) * np.sin(turn), z])


def spread(rng: Rng, n_places: int, least: float = 0.6) -> np.ndarray:
    """Unit vectors ``(n, 3)`` of the upper half, at least ``least`` from one another."""
    places: list[np.ndarray] = []
    while len(places) < n_places:
        v = rng.standard_normal(3)
        v = np.array([v[0], v[1], abs(v[2])]) / np.linalg.norm(v)
        if all(np.linalg.norm(v - other) > least for other in places):
            places.append(v)
    return np.array(places)


def lead_field(
    electrodes: np.ndarray,
    positions: np.ndarray,
    radii: tuple[float, ...] = RADII,
    conductivities: tuple[float, ...] = CONDUCTIVITIES,
    n_terms: int = 100,
) -> np.ndarray:
    """Potential at ``electrodes (m, 3)`` on the unit sphere of unit dipoles at ``positions (n, 3)``, ``(m, n, 3)``.

    ``V = sum_k g_k r^(k-1) [k P_k(c) u + P_k'(c) (e - c u)] / (4 pi sigma)`` for a dipole at ``r u`` and an
    electrode at ``e``, with ``c = e . u`` and the gains ``g`` of ``surface_gain``.
    """
    r = np.linalg.norm(np.atleast_2d(positions), axis=1)
    u = np.atleast_2d(positions) / r[:, None]
    c = electrodes @ u.T
    gain = surface_gain(n_terms, radii, conductivities)
    radial, tangential = np.zeros_like(c), np.zeros_like(c)
    before, now, slope_before, slope = np.ones_like(c), c, np.zeros_like(c), np.ones_like(c)  # P_0, P_1, P_0', P_1'
    for k in range(1, n_terms + 1):
        weight = gain[k - 1] * r ** (k - 1)
        radial += weight * k * now
        tangential += weight * slope
        slope_before, slope = slope, slope_before + (2 * k + 1) * now
        before, now = now, ((2 * k + 1) * c * now - k * before) / (k + 1)
    across = electrodes[:, None] - c[:, :, None] * u
    return (radial[:, :, None] * u + tangential[:, :, None] * across) / (4 * np.pi * conductivities[0])


def surface_gain(n_terms: int, radii: tuple[float, ...], conductivities: tuple[float, ...]) -> np.ndarray:
    """Potential at the surface for a source term ``r^-(k+1)`` in the innermost shell, for the orders ``k`` from 1.

    In each shell the potential is ``p r^k + q r^-(k+1)``. No current leaves the scalp, where the potential is set
    to ``2 k + 1``; potential and radial current are continuous at the boundaries: ``p`` and ``q`` follow inwards.
    """
    k = np.arange(1, n_terms + 1)
    p, q = k + 1.0, k * 1.0
    for r, inner, outer in zip(radii[-2::-1], conductivities[-2::-1], conductivities[:0:-1], strict=True):
        potential = p * r**k + q * r ** -(k + 1.0)
        slope = outer / inner * (k * p * r**k - (k + 1) * q * r ** -(k + 1.0))  # times r
        p = ((k + 1) * potential + slope) / (2 * k + 1) / r**k
        q = (k * potential - slope) / (2 * k + 1) * r ** (k + 1.0)
    return (2 * k + 1) / q
