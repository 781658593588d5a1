"""The generative model of the paper: starts, reverse diffusion, branches, priors and mixing."""

from stradiff.model.branches import Branch
from stradiff.model.diffusion.schedule import Schedule
from stradiff.model.model import Model
from stradiff.model.numerics import numerics
from stradiff.model.start import Start

__all__ = ["Branch", "Model", "Schedule", "Start", "numerics"]
