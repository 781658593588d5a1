"""Plots of a recording, of its sources and of a fit.

Every function draws on the given axes, ``ax`` or ``axes`` with one for each panel, or on those of a new figure, and
returns them. pyplot's figures and style do not change: ``axes.figure.savefig("plot.png")`` writes the figure.

Common parameters: ``times (T,)`` in ``time_unit``, "s" or "samples"; ``names``, one for each curve, "source 1" and so
on by default; ``channel_names (m,)`` and their ``units``. A wrong number of names is an InputError, and a wrong number
of axes an OptionError.
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
