"""What is timed: the size of the paper (section 3.1), three sources of a thousand samples, in two mixings."""

from __future__ import annotations

import numpy as np
from jaxtyping import PRNGKeyArray

from stradiff import simulate
from stradiff.config import PAPER, Configuration, Diffusion, resolve
from stradiff.data import Simulation, fit_normaliser
from stradiff.initialise.model import initial_model
from stradiff.initialise.priors import build_priors
from stradiff.model import Model
from stradiff.model.priors import GaussianProcess

SEED, N_SOURCES = 100, 3
MAPS = {"linear": "linear", "leaky_relu": "mlp"}  # the map that is fitted to each kind of mixing


def drawn(problem: str) -> Simulation:
    """The recording and its truth."""
    return simulate(problem, seed=SEED)


def paper_settings(problem: str, *, solver: str = "auto", diffusion: Diffusion | None = None) -> Configuration:
    """Preset "paper" with the map that suits the mixing."""
    prior = GaussianProcess(solver=solver)
    given = Configuration(n_sources=N_SOURCES, mixing=MAPS[problem], prior=prior, diffusion=diffusion)
    return resolve("paper", given)


def first_model(observed: np.ndarray, config: Configuration, key: PRNGKeyArray) -> Model:
    """The model before its first epoch, at random, for observations ``(T, m)``."""
    return initial_model(observed, config, None, build_priors(config.initial_priors, len(observed)), key)


def normalised(problem: str) -> np.ndarray:
    """What preset "paper" trains on: every channel centred and scaled, ``(T, m)``."""
    values = drawn(problem).recording.values
    return fit_normaliser(values, PAPER.normalise).forward(values)
