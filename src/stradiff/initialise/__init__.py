"""Where training starts: candidate sources, the priors that suit them, and the initial model."""

from stradiff.initialise.initialisation import Initialisation, Start, initialise

__all__ = ["Initialisation", "Start", "initialise"]
