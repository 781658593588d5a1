"""The presets as configurations, what completes a given configuration to one, and the list of all defaults."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from stradiff.config.configuration import NESTED, Configuration
from stradiff.config.parts import (
    AUTO,
    UNCERTAINTIES,
    Checkpoint,
    Diffusion,
    Laplace,
    MonteCarlo,
    Objective,
    Training,
    read_checkpoint,
)
from stradiff.data.missing import MISSING_MODES
from stradiff.model.devices import DEVICE
from stradiff.model.diffusion.networks import NETWORKS
from stradiff.model.mixing import MAPS
from stradiff.model.priors import PRIORS, GaussianProcess
from stradiff.parameters import FLAG, SEED, Parameters, choice, count, instance, parameter

PAPER = Configuration(
    prior=GaussianProcess(),
    normalise="standardise",
    init="random",
    n_restarts=1,
    diffusion=Diffusion(
        n_steps=20,
        schedule="linear",
        network="dense",
        shared=False,
        output_scale=1.0,
        start_sigma=0.0067,
        start_spread=0.0,
        deterministic_start=False,
    ),
    objective=Objective(
        nu_y=0.01,
        lambda_prior=1.0,
        lambda_diff=1.0,
        lambda_kl=1e-3,
        lambda_volume=0.0,
        standardise=False,
        diffusion_moves_sources=True,
    ),
    training=Training(
        max_epochs=10_000,
        tol=0.0,
        learning_rate=1e-3,
        prior_rate=10.0,
        halving=0.0,
        segment_length="whole",
        n_devices=1,
        record_epochs=AUTO,
    ),
    uncertainty=MonteCarlo(),
)
"""The paper to the letter: its objective, its normalisation of the map, random starts, all epochs."""


DEFAULT = (
    Configuration(
        normalise=AUTO,
        init="sobi",
        diffusion=Diffusion(network=AUTO, output_scale=0.0),
        objective=Objective(lambda_volume=1.0, standardise=True),
        training=Training(tol=3e-3, learning_rate=3e-3, halving=1000.0, segment_length=AUTO),
        uncertainty=Laplace(),
    )
    .over(PAPER)
    .replace(prior=None)
)
"""What separates best (research/study.md has the measurements)."""


PRESETS = {"default": DEFAULT, "paper": PAPER}


# Fields of maps and priors that are None until the preset fills them.
MAP_FIELDS = {
    "default": {
        "linear_path": True,
        "output_scale": 0.1,
    },  # a network learns what the linear fit leaves, from near zero
    "paper": {"linear_path": False, "output_scale": 1.0},  # a plain multilayer perceptron
}


PRIOR_FIELDS: dict[str, dict[str, Any]] = {
    "default": {},  # a length-scale begins at the likeliest for the initial sources
    "paper": {"length_scale": 0.05},  # a twentieth of the record
}


def resolve(preset: Any, given: Configuration) -> Configuration:
    """The preset's configuration, changed by what its map asks for, and that by what is given.

    Raises
    ------
    OptionError
        For a preset that there is not.
    """
    choice(*PRESETS).check("preset", preset)
    base = PRESETS[preset]
    if preset == "default":
        base = base.with_nested(given.mixing.defaults)
    complete = given.over(base)
    priors = complete.prior
    if priors is not None and not isinstance(priors, str):
        each = priors if isinstance(priors, tuple) else (priors,) * complete.n_sources
        priors = tuple(prior.filled(PRIOR_FIELDS[preset]) for prior in each)
    return complete.replace(prior=priors, mixing=complete.mixing.filled(MAP_FIELDS[preset]))


class RunOptions(Parameters):
    """Parameters of an estimator beside its configuration: which preset, how many sources, and how a fit runs."""

    n_components: int | str | None = parameter(None, choice(AUTO) | count(1), "as many as channels")
    preset: str = parameter("default", choice(*PRESETS), "what separates best")
    missing: str = parameter("refuse", choice(*MISSING_MODES), "NaN is a mistake more often than a mark")
    checkpoint: Checkpoint | None = parameter(
        None, instance(Checkpoint, "Checkpoint(...) or None"), "a usual fit is over soon", read_checkpoint
    )
    device: str = parameter(AUTO, DEVICE, "the fastest there is")
    random_state: int | np.random.RandomState | None = parameter(None, SEED, "as scikit-learn has it")
    verbose: bool | str = parameter(AUTO, choice(AUTO) | FLAG, "a log has no use for a progress bar")


class Default(NamedTuple):
    """A parameter, as in ``objective__nu_y`` or ``MLP.width``; its value with each preset; the reason."""

    name: str
    default: Any
    paper: Any
    reason: str


def defaults() -> list[Default]:
    """Every parameter of a configuration, and of the networks, maps, priors and other objects that it may hold."""
    rows: list[Default] = []
    for name, (_, reason) in Configuration.reasons().items():
        default, paper = getattr(DEFAULT, name), getattr(PAPER, name)
        if name not in NESTED:
            rows.append(Default(name, default, paper, reason))
            continue
        for field, (_, why) in default.reasons().items():
            rows.append(Default(f"{name}__{field}", getattr(default, field), getattr(paper, field), why))
    objects: list[Parameters] = [*NETWORKS.values(), *MAPS.values(), *PRIORS.values(), *UNCERTAINTIES.values()]
    kinds: list[type[Parameters]] = [*map(type, objects), Checkpoint]
    for kind in dict.fromkeys(kinds):
        for field, (value, reason) in kind.reasons().items():
            default, paper = (
                (MAP_FIELDS[preset] | PRIOR_FIELDS[preset]).get(field) if value is None else value
                for preset in ("default", "paper")
            )
            rows.append(Default(f"{kind.__name__}.{field}", default, paper, reason))
    return rows


def describe() -> str:
    """``defaults()`` as a table of text."""
    rows = [("parameter", *(f"preset {name!r}" for name in PRESETS), "reason")]
    rows += [(row.name, repr(row.default), repr(row.paper), row.reason) for row in defaults()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
