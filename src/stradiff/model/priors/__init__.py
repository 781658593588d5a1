"""What makes a source a source: one adaptive prior per source (section 2.3)."""

from stradiff.model.priors.base import Prior
from stradiff.model.priors.gaussian_process import GaussianProcess
from stradiff.model.priors.prior_set import PriorSet
from stradiff.model.priors.registry import PRIORS, PriorSettings, check_known, make_prior, register_prior

__all__ = [
    "PRIORS",
    "GaussianProcess",
    "Prior",
    "PriorSet",
    "PriorSettings",
    "check_known",
    "make_prior",
    "register_prior",
]
