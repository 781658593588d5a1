"""What is known after fitting (section 2.8), and what a map says of observations it never saw."""

from stradiff.posterior.monte_carlo import draws, moments, reconstruct
from stradiff.posterior.readout import Readout, choose_readout
from stradiff.posterior.separation import Separation, separate
from stradiff.posterior.unmix import unmix

__all__ = ["Readout", "Separation", "choose_readout", "draws", "moments", "reconstruct", "separate", "unmix"]
