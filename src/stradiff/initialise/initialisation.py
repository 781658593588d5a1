"""Everything that training starts from, decided before its first epoch: sources, and the prior of each.

- A linear mixing with ``prior="auto"`` starts from the sources of SOBI or FastICA, rotated to where structured priors
  find them most likely (``stradiff.initialise.rotation``).
- A nonlinear mixing of more channels than sources has several candidates (``stradiff.initialise.candidates``), which
  training compares by successive halving (``stradiff.train.restarts``).
- All others start from the sources of one linear method, those given, or at random.

Restarts beyond the candidates start from the first one's sources, rotated at random.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray
from scipy.linalg import expm

from stradiff.config import Configuration
from stradiff.errors import OptionError
from stradiff.initialise.candidates import METHODS, candidates, linear_sources
from stradiff.initialise.model import initial_model, initial_trajectories
from stradiff.initialise.prior_selection import prior_choice, rotates, select_priors
from stradiff.initialise.priors import build_priors
from stradiff.initialise.rotation import initialise_by_rotation
from stradiff.initialise.seeds import fit_keys, restart_seed
from stradiff.model.concatenation import Concatenation
from stradiff.model.model import Model
from stradiff.model.priors import PriorSet, PriorSpec, prior_spec

ANGLE = 0.3  # radians: a correlation of 0.95 with the first start, as far as SOBI is off on nonlinear mixtures


@dataclasses.dataclass(frozen=True)
class Start:
    """Sources that training may begin with, and their priors."""

    sources: np.ndarray | None
    """(T, n), without padding; None: at random."""
    priors: PriorSet
    """Of the families and with the parameters that training begins with."""


@dataclasses.dataclass(frozen=True, eq=False)
class Initialisation:
    """A recording, how it is to be fitted, and where training starts."""

    observed: np.ndarray
    """(T, m), normalised; several recordings are padded as ``layout`` says."""
    times: np.ndarray | None
    settings: Configuration
    """Those asked for; a ``prior`` of None is resolved."""
    families: str | tuple[PriorSpec, ...]
    """The prior of every start: as ``settings.prior``, or those that the rotation goes with."""
    candidates: tuple[Start, ...]
    """At least one, the preferred one first."""
    mask: np.ndarray | None
    guess: np.ndarray | None
    seed: int
    layout: Concatenation | None

    def ranked(self, order: Sequence[int]) -> Initialisation:
        """The same with the candidates in another order."""
        return dataclasses.replace(self, candidates=tuple(self.candidates[number] for number in order))

    def start(self, number: int) -> Start:
        """Where restart ``number`` begins, from 0: a candidate, or the first one's sources rotated at random."""
        first = self.candidates[0]
        if number < len(self.candidates):
            return self.candidates[number]
        if first.sources is None:
            return first
        seed = restart_seed(self.seed, number)
        return self.start_at(rotated_at_random(first.sources, seed), seed)

    def model(self, start: Start, key: PRNGKeyArray) -> Model:
        """The model before its first epoch."""
        return initial_model(self.observed, self._settings, start.sources, start.priors, key, self.layout)

    def start_at(self, sources: np.ndarray, seed: int) -> Start:
        """Sources ``(T, n)`` with the priors that suit them."""
        trajectories = initial_trajectories(self.observed, self._settings, sources, fit_keys(seed)[0], self.layout)
        times = None if self.times is None else jnp.asarray(self.times)
        return Start(sources, select_priors(self._settings, trajectories, times, self.layout))

    @property
    def _settings(self) -> Configuration:
        """Those of every start: one compilation serves all."""
        return self.settings.replace(prior=self.families)


def initialise(
    observed: np.ndarray,
    times: np.ndarray | None,
    settings: Configuration,
    *,
    mask: np.ndarray | None = None,
    guess: np.ndarray | None = None,
    seed: int = 0,
    layout: Concatenation | None = None,
) -> Initialisation:
    """Decide where training starts, priors included. Inside ``numerics()``.

    Parameters
    ----------
    observed : normalised observations ``(T, m)``, missing samples filled; several recordings as ``layout`` pads them.
    times : ``(T,)`` in [0, 1]; None on a regular grid.
    mask : which values are none of those filled in (``stradiff.model.observation_mask``); None: all.
    guess : sources ``(T, n)`` without padding, for ``init="given"``.

    Raises
    ------
    OptionError
        Where ``init="given"`` and there is no guess, or the record is too short for its priors.
    """
    even = times is None and mask is None and layout is None
    families = prior_choice(settings, len(observed), even=even)
    settings = settings.replace(prior=families)
    empty = Initialisation(observed, times, settings, families, (), mask, guess, seed, layout)
    if settings.init == "random":
        length = len(observed) if layout is None else layout.length
        return dataclasses.replace(empty, candidates=(Start(None, build_priors(settings.initial_priors, length)),))
    bare = observed if layout is None else layout.unpad(observed)
    sources = [starting_sources(bare, settings, guess)]
    if rotates(settings, len(observed)) and times is None and layout is None:
        if settings.init == "sobi":  # the two see different things: spectra, and densities
            sources.append(linear_sources(bare, "fastica", settings.n_sources))
        rotated, names = initialise_by_rotation(sources, rotate=settings.init != "given")
        families = tuple(map(prior_spec, names))
        sources = [rotated]
    elif settings.init in METHODS and not settings.mixing.is_linear and observed.shape[1] > settings.n_sources:
        sources = candidates(bare, settings.init, settings.n_sources)
    decided = dataclasses.replace(empty, families=families)
    return dataclasses.replace(decided, candidates=tuple(decided.start_at(one, seed) for one in sources))


def starting_sources(observed: np.ndarray, settings: Configuration, guess: np.ndarray | None = None) -> np.ndarray:
    """Sources ``(T, n)`` of observations ``(T, m)``: those given, or those of the linear method ``settings.init``."""
    if guess is not None:
        return guess
    if settings.init not in METHODS:
        raise OptionError("init='given' needs the sources to start from.")
    return linear_sources(observed, settings.init, settings.n_sources)


def rotated_at_random(sources: np.ndarray, seed: int) -> np.ndarray:
    """Sources ``(T, n)`` of unit variance, each turned by about ``ANGLE`` towards a random mixture of the others."""
    rng, n = np.random.default_rng(seed), sources.shape[1]
    angles = ANGLE * rng.uniform(0.5, 1.5, (n, n)) * rng.choice([-1.0, 1.0], (n, n)) / np.sqrt(max(n - 1, 1))
    lower = np.tril(angles, -1)
    return (sources - sources.mean(axis=0)) / sources.std(axis=0) @ expm(lower - lower.T)
