"""What makes a source a source: one adaptive prior per source (section 2.3)."""

from stradiff.model.priors.base import Prior
from stradiff.model.priors.gaussian_process import GaussianProcess

__all__ = ["GaussianProcess", "Prior"]
