"""What is known after fitting (section 2.8), and what a map says of observations it never saw."""

from stradiff.inference.posterior import draws, moments, reconstruct
from stradiff.inference.readout import Readout, choose_readout
from stradiff.inference.separation import Separation, separate
from stradiff.inference.unmix import unmix

__all__ = ["Readout", "Separation", "choose_readout", "draws", "moments", "reconstruct", "separate", "unmix"]
