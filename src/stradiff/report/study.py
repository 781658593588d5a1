"""The figures of an experiment with known truth: counterparts of the paper's figures 2 to 7."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from stradiff.data.recording import Recording
from stradiff.model.mixing import mixing_spec
from stradiff.report import plots
from stradiff.report.summary import FittedModel, correlation_history, like_estimates, stages

LINEAR = {
    "sources": "figure2_sources",
    "training": "figure3_training",
    "beginning": "figure4_paths_beginning",
    "middle": "figure5_paths_middle",
    "end": "figure6_paths_end",
}
NONLINEAR = {key: name.partition("_")[2] for key, name in LINEAR.items()} | {"sources": "figure7_sources"}


def recorded_epochs(max_epochs: int, count: int = 25) -> tuple[int, ...]:
    """Epochs at which paths are recorded: dense at the beginning, where sources separate, with middle and end.

    >>> recorded_epochs(8, count=4)
    (0, 1, 2, 4, 8)
    """
    epochs = np.geomspace(1, max_epochs, count).round().astype(int)
    return tuple(int(epoch) for epoch in np.unique([0, *epochs, max_epochs // 2]))


def draw_study(fit: FittedModel, recording: Recording, truth: np.ndarray) -> dict[str, Figure]:
    """Draw the figures of section 3 for a fit of simulated sources.

    The fit has recorded paths; ``recording`` and ``truth (T, n)`` are simulated. Keys are file names without suffix,
    "figure2_sources" ... for a linear map and "figure7_sources" ... otherwise.
    """
    names = LINEAR if mixing_spec(fit.map_).is_linear else NONLINEAR
    times, unit = recording.time_axis, recording.time_unit
    truth = like_estimates(truth, fit.sources_)
    sources = plots.plot_sources(fit.sources_, fit.sources_std_, times, truth, time_unit=unit)
    epochs, correlation = correlation_history(fit, truth)
    figures = {
        names["sources"]: sources[0].figure,
        names["training"]: plots.plot_training(fit.history_, correlation, epochs, recording.duration, unit),
    }
    for stage, epoch in stages(fit).items():
        title = f"Reverse diffusion at epoch {epoch:,}"
        panels = plots.plot_diffusion_path(fit.reverse_path(epoch), times, time_unit=unit, title=title)
        figures[names[stage]] = panels[0, 0].figure
    return figures
