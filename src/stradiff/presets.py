"""Named configurations; everything not named here is as in ``stradiff.config``."""

from __future__ import annotations

from typing import Any

import numpy as np

from stradiff.config import AUTO, Settings
from stradiff.data import count_sources
from stradiff.errors import OptionError
from stradiff.model.mixing import mixing_spec
from stradiff.posterior.separation import check_guess

PRESETS: dict[str, dict[str, Any]] = {
    # The paper to the letter: its objective, its normalisation of the map, random starts, all epochs.
    "paper": {},
    # What separates best (docs/study.md has the measurements).
    "default": {
        "prior": None,  # a linear mixing selects priors from the recording, others have smooth ones
        "init": "sobi",  # random starts rarely find a nonlinear solution
        "length_scale_init": None,  # the likeliest for SOBI's sources: no tug of war at the beginning
        "standardise": True,  # a nonlinear map leaves the scale of its sources open
        "lambda_volume": 1.0,  # the marginal likelihood as it stands: keeps sources and map from collapsing
        "normalise": "auto",  # mixing columns far from orthogonal slow everything down: white where m = n
        "window": "auto",  # a long recording teaches by its windows, one in an epoch
        "network": "auto",  # a dense network grows with the recording, and an epoch with it
        "network_output_scale": 0.0,  # a branch begins as the identity, so the warm start is kept
        "mixing_linear_path": True,  # the network learns what the least-squares linear map leaves over
        "mixing_output_scale": 0.1,  # and begins small
        "uncertainty": "laplace",  # 95 % inside a 95 % band, where Monte Carlo bands hold 7 % (docs/uncertainty.md)
        "learning_rate": 3e-3,  # three times quicker than 1e-3, and as good at the end
        "halving": 1000.0,  # at a constant rate a late step can still throw a length-scale into another basin
        "tol": 3e-3,  # nats per observed value over 500 epochs: what is still to come moves sources by less than 0.01
    },
}


def resolve(preset: str, n_sources: int, overrides: dict[str, Any]) -> Settings:
    """The settings of ``preset`` with every override that is not None in its place."""
    if not isinstance(preset, str) or preset not in PRESETS:
        raise OptionError(f"preset={preset!r} does not exist; choose one of {', '.join(PRESETS)}.")
    given = {name: _plain(value) for name, value in overrides.items() if value is not None}
    defaults = mixing_spec(given.get("mixing", Settings.mixing), AUTO).defaults if preset == "default" else {}
    for_map = {name.rpartition("__")[2]: value for name, value in defaults.items()}
    return Settings(**{**PRESETS[preset], **for_map, **given, "n_sources": n_sources})


def resolve_for(
    values: np.ndarray,
    n_components: Any,
    preset: str,
    init: Any,
    overrides: dict[str, Any],
) -> tuple[Settings, np.ndarray | None]:
    """The settings for a checked recording ``(T, m)``, its sources counted where that is asked for.

    And the sources ``(T, n)`` to start from, where ``init`` holds some instead of the name of a method.
    """
    n_sources = values.shape[1] if n_components is None else n_components
    if isinstance(n_components, str) and n_components == "auto":
        n_sources = count_sources(values)
    guess = None if init is None or isinstance(init, str) else check_guess(init, len(values), int(n_sources))
    settings = resolve(preset, int(n_sources), {**overrides, "init": init if guess is None else "given"})
    return settings, guess


def _plain(value: Any) -> Any:
    """A setting as the settings hold it: NumPy scalars as Python's, sequences of numbers as tuples of floats."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(float(item) if isinstance(item, int | np.integer | np.floating) else item for item in value)
    return value
