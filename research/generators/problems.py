"""Published generators as problems of the benchmark: the sources and the mixing of one paper, drawn by seed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from contest.problems import Example, Problem

from generators.mixings import network, orthogonal_network
from generators.sources import LAWS
from stradiff.data.mixings import SimulatedMixing
from stradiff.data.sources import standardise


@dataclass(frozen=True)
class Paper:
    """What a paper fixes beside its sources; lengths are those of the benchmark."""

    title: str
    n_sources: int = 5
    n_channels: int | None = None
    """As many as sources where the paper does not say more."""
    activation: str = "leaky_relu"
    slope: float = 0.2
    bias: float = 0.0
    """Biases of the layers are uniform from 0 to this."""
    repeated: bool = False
    """All square layers have the same matrix."""
    noise: float = 0.0
    """Share of the noise-free variance of each channel."""


PAPERS = {
    "tcl": Paper("TCL"),
    "ivae": Paper("iVAE", activation="tanh", repeated=True),
    "pcl": Paper("PCL"),
    "iia": Paper("IIA"),
    "hm_nlica": Paper("HM-NLICA", slope=0.1, bias=1.0),
    "snica": Paper("SNICA", n_sources=3, n_channels=12, activation="tanh", noise=0.15),
    "leap": Paper("LEAP", n_sources=8),
    "tp_nica": Paper("tp-NICA", n_sources=3, activation="tanh"),
}
"""TCL, PCL, IIA and LEAP use a leaky ReLU of slope 0.2, HM-NLICA of 0.1; the authors' codes of iVAE, SNICA and tp-NICA
``tanh(x) + 0.1 x``. That of iVAE also repeats one matrix in all layers.
"""


@dataclass(frozen=True)
class Published(Problem):
    """A problem whose mixing and whose ``sources``, one of ``PAPERS``, are those of a paper."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Of the function of that name in ``sources``."""

    def draw(self, seed: int, real: Path | None = None) -> Example:
        """The recording at ``seed``: sources, mixing and noise have random streams of their own."""
        source_rng, mixing_rng, noise_rng = np.random.default_rng(seed).spawn(3)
        settings = dict(self.settings)
        if self.n_recordings > 1:
            settings["n_recordings"] = self.n_recordings
        S = LAWS[self.sources](source_rng, self.n_samples, self.n_sources, **settings)
        return recorded(S, self._mixing(mixing_rng), self.noise, noise_rng)

    def _mixing(self, rng: np.random.Generator) -> SimulatedMixing:
        n_layers = 1 if self.mixing == "linear" else self.n_layers
        if self.sources == "leap":
            return orthogonal_network(rng, self.n_sources, 0 if self.mixing == "linear" else n_layers)
        paper = PAPERS[self.sources]
        widths = [self.n_sources] + [self.n_channels] * n_layers
        return network(rng, widths, paper.activation, paper.slope, paper.bias, paper.repeated)


def recorded(S: np.ndarray, mixing: SimulatedMixing, noise: float, rng: np.random.Generator) -> Example:
    """Sources in the units of their paper, mixed and recorded; the truth has mean 0 and variance 1."""
    noise_free = mixing(S) - mixing(S).mean(axis=0)
    observed = noise_free + noise * noise_free.std(axis=0) * rng.standard_normal(noise_free.shape)
    matrix = None if mixing.nonlinearities else mixing.matrix * S.std(axis=0)
    return Example(observed, standardise(S), noise_free, matrix)


def problem(
    law: str,
    *,
    layers: int = 1,
    n_samples: int = 1000,
    n_sources: int | None = None,
    n_channels: int | None = None,
    noise: float | None = None,
    name: str | None = None,
    n_recordings: int = 1,
    **settings: Any,
) -> Published:
    """A recording of ``law``; what is not given is as in the paper, but for the length.

    Parameters
    ----------
    law : str
        One of ``PAPERS``.
    layers : int
        Matrices: 1 is a linear mixing, 2 has one nonlinearity between two of them.
    noise : float, optional
        Share of the noise-free variance of each channel.
    settings
        Of the function of that name in ``sources``.
    """
    paper = PAPERS[law]
    n = n_sources or paper.n_sources
    m = n_channels or (paper.n_channels if paper.n_channels and n_sources is None else n)
    share = paper.noise if noise is None else noise
    kind = "matrix" if layers == 1 else f"{layers} layers"
    special = "".join(f", {key.replace('_', ' ')} {value}" for key, value in settings.items())
    length = f"T = {n_samples:,}" + (f" in {n_recordings} recordings" if n_recordings > 1 else "")
    return Published(
        name=name or f"{paper.title}, {kind}" + ("" if n_samples == 1000 else f", T = {n_samples:,}"),
        mixing="linear" if layers == 1 else paper.activation,
        sources=law,
        n_sources=n,
        n_channels=m,
        n_samples=n_samples,
        noise=math.sqrt(share),
        n_layers=layers,
        slope=paper.slope,
        description=f"sources of {paper.title}{special}; {kind}; n = {n}, m = {m}, {length}; {decibels(share)}",
        n_recordings=n_recordings,
        settings=settings,
    )


def generate(law: str, seed: int, **options: Any) -> Example:
    """One recording of ``law`` at ``seed``, with the options of ``problem``."""
    return problem(law, **options).draw(seed)


def decibels(share: float) -> str:
    """Noise in words: its share of the noise-free variance of each channel, and the ratio of signal to noise."""
    return f"noise {share:.0%} of variance (SNR {-10 * math.log10(share):.1f} dB)" if share else "no noise"
