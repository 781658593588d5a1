"""What decides how a recording is separated: nested, frozen configurations, and the presets as instances of them.

A field left at None takes the value of the preset. ``StrADiff`` holds what the user gave; :func:`resolve` completes it
to the :class:`Configuration` that everything else reads. :func:`describe` lists all parameters with their reasons.
"""

from stradiff.config.configuration import INITS, NESTED, NORMALISATIONS, Configuration, read_mixing, read_prior
from stradiff.config.parts import (
    AUTO,
    SHORTEST_SEGMENT,
    UNCERTAINTIES,
    Checkpoint,
    Diffusion,
    Laplace,
    MonteCarlo,
    Objective,
    Training,
    read_checkpoint,
    read_uncertainty,
)
from stradiff.config.presets import DEFAULT, PAPER, PRESETS, RunOptions, defaults, describe, resolve
from stradiff.config.tables import flat_parameters, read_configuration, read_parameters, table_of, with_field
from stradiff.model.diffusion.networks import Convolutional, Dense

__all__ = [
    "AUTO",
    "DEFAULT",
    "INITS",
    "NESTED",
    "NORMALISATIONS",
    "PAPER",
    "PRESETS",
    "SHORTEST_SEGMENT",
    "UNCERTAINTIES",
    "Checkpoint",
    "Configuration",
    "Convolutional",
    "Dense",
    "Diffusion",
    "Laplace",
    "MonteCarlo",
    "Objective",
    "RunOptions",
    "Training",
    "defaults",
    "describe",
    "flat_parameters",
    "read_checkpoint",
    "read_configuration",
    "read_mixing",
    "read_parameters",
    "read_prior",
    "read_uncertainty",
    "resolve",
    "table_of",
    "with_field",
]
