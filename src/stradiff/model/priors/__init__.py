"""What makes a source a source: one adaptive prior per source (section 2.3)."""

from stradiff.model.priors.base import Prior, PriorSpec
from stradiff.model.priors.gaussian_process import GaussianProcessPrior
from stradiff.model.priors.prior_set import PriorSet
from stradiff.model.priors.registry import PRIORS, prior_spec, register_prior
from stradiff.model.priors.specifications import Autoregression, GaussianMixture, GaussianProcess

__all__ = [
    "PRIORS",
    "Autoregression",
    "GaussianMixture",
    "GaussianProcess",
    "GaussianProcessPrior",
    "Prior",
    "PriorSet",
    "PriorSpec",
    "prior_spec",
    "register_prior",
]
