"""The posterior of the sources after training (section 2.8), and unmixing of new observations."""

from stradiff.posterior.monte_carlo import draws, moments, reconstruct
from stradiff.posterior.readout import Readout, choose_readout
from stradiff.posterior.separation import Separation
from stradiff.posterior.unmix import unmix

__all__ = ["Readout", "Separation", "choose_readout", "draws", "moments", "reconstruct", "unmix"]
