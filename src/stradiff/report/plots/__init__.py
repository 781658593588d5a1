"""Pictures of a recording, of its sources and of the fit that found them.

Every function takes arrays and, if you like, the axes to draw on; it returns the axes it drew on. Nothing
here touches pyplot's current figure or its style: ``axes.figure.savefig("picture.png")`` writes what was
drawn.
"""

from stradiff.report.plots.mixing import plot_curves, plot_mixing, plot_responses
from stradiff.report.plots.paths import plot_diffusion_path, representative_steps
from stradiff.report.plots.recording import plot_recording, plot_spectra
from stradiff.report.plots.sources import plot_sources
from stradiff.report.plots.study import plot_training
from stradiff.report.plots.training import plot_correlations, plot_length_scales, plot_losses, plot_reconstruction_error

__all__ = [
    "plot_correlations",
    "plot_curves",
    "plot_diffusion_path",
    "plot_length_scales",
    "plot_losses",
    "plot_mixing",
    "plot_reconstruction_error",
    "plot_recording",
    "plot_responses",
    "plot_sources",
    "plot_spectra",
    "plot_training",
    "representative_steps",
]
