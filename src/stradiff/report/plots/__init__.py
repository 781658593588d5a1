"""Plots of a recording, of its sources and of a fit.

Every function takes arrays and, optionally, axes, and returns the axes. pyplot's current figure and style do not
change: ``axes.figure.savefig("plot.png")`` writes the figure.
"""

from stradiff.report.plots.mixing import plot_curves, plot_mixing, plot_responses
from stradiff.report.plots.recording import plot_recording, plot_spectra
from stradiff.report.plots.sources import plot_diffusion_path, plot_sources, representative_steps
from stradiff.report.plots.training import (
    plot_correlations,
    plot_length_scales,
    plot_losses,
    plot_reconstruction_error,
    plot_training,
)

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
