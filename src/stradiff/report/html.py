"""The HTML report of a fit: one file with all plots inside, no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined

from stradiff.data.recording import Recording
from stradiff.files import atomic_path
from stradiff.model.mixing import mixing_spec
from stradiff.report import plots
from stradiff.report.summary import (
    FittedModel,
    check_pair,
    correlation_history,
    flat_rows,
    like_estimates,
    stages,
    summarise,
)
from stradiff.report.words import band, sentence

DPI = 150  # sharp on screens and in print; a page of a dozen plots is near 2 MB
LEVELS = np.linspace(-3.0, 3.0, 61)  # standard deviations of a source: 99.7 % of a Gaussian one


@dataclass(frozen=True)
class Picture:
    """A plot inside the page, with its alternative text and caption."""

    data: str
    alt: str
    caption: str
    width: int


def write_report(
    fit: FittedModel,
    recording: Recording,
    path: str | Path,
    *,
    truth: np.ndarray | None = None,
    title: str | None = None,
) -> Path:
    """Write the report of a fit to one HTML file that opens offline.

    Parameters
    ----------
    fit
        A fitted :class:`stradiff.StrADiff`.
    recording
        The recording it was fitted to.
    path
        The file to write. It appears only when it is complete.
    truth
        True sources ``(T, n)``, where they are known: they are drawn beside the estimates.
    title
        Title of the page; "Sources of" and the recording's name by default.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    InputError
        When the recording, or the truth, does not have the shape of the fit.
    """
    page = render_report(fit, recording, truth=truth, title=title)
    with atomic_path(path) as unfinished:
        Path(unfinished).write_text(page, encoding="utf-8")
    return Path(path)


def render_report(
    fit: FittedModel, recording: Recording, *, truth: np.ndarray | None = None, title: str | None = None
) -> str:
    """The page of :func:`write_report` as text; same parameters and errors."""
    check_pair(fit, recording)
    facts = summarise(fit, recording, truth)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = files("stradiff.report").joinpath("report.html.jinja").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        title=title or f"Sources of “{recording.name}”",
        sentence=sentence(facts),
        band=band(facts),
        facts=facts,
        unit=recording.time_unit,
        settings=list(flat_rows(facts["model"]["settings"])),
        versions=list(flat_rows(facts["model"]["versions"])),
        pictures=draw_pictures(fit, recording, truth),
    )


def draw_pictures(fit: FittedModel, recording: Recording, truth: np.ndarray | None = None) -> dict[str, Picture]:
    """All plots of the page by name; those that do not apply to the fit are absent."""
    unit = recording.time_unit
    pictures = {
        "recording": _recording(recording),
        "sources": _sources(fit, recording, truth),
        "mixing": _mixing(fit, recording),
    }
    if mixing_spec(fit.map_).is_channelwise:
        pictures["curves"] = _curves(fit, recording)
    if fit.n_epochs_:  # a fit without epochs has no history
        pictures |= _training(fit, recording)
    if recording.times is None:  # the FFT needs a regular grid
        pictures["spectra"] = _picture(
            plots.plot_spectra(fit.sources_, recording.sampling_rate, time_unit=unit),
            "Power spectra of the sources",
            "Power spectral densities of the sources by Welch's method.",
        )
    if truth is not None and len(fit.recorded_epochs_) > 1:
        epochs, correlation = correlation_history(fit, like_estimates(truth, fit.sources_))
        pictures["correlations"] = _picture(
            plots.plot_correlations(correlation, epochs),
            "Correlation with the true sources over training",
            "Correlation with the true sources at every epoch whose path was recorded.",
        )
    for stage, epoch in stages(fit).items():
        pictures[f"path_{stage}"] = _picture(
            plots.plot_diffusion_path(fit.reverse_path(epoch), recording.time_axis, time_unit=unit),
            f"States of the reverse diffusion of every source at epoch {epoch}, from its start to the source",
            f"Epoch {epoch:,}." if epoch else "Before the first epoch.",
        )
    return pictures


def _picture(axes: Any, alt: str, caption: str) -> Picture:
    """The figure of these axes as an image inside the page."""
    figure = np.ravel(axes)[0].figure
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(f"data:image/png;base64,{data}", alt, caption, round(100 * figure.get_figwidth()))


def _recording(recording: Recording) -> Picture:
    values = np.asarray(recording.values)
    deviation = np.nanstd(values, axis=0)
    same_scale = bool(deviation.max() <= 10 * deviation.min())  # else the weakest channel would be a straight line
    axes = plots.plot_recording(
        values,
        recording.time_axis,
        recording.channel_names,
        time_unit=recording.time_unit,
        same_scale=same_scale,
    )
    caption = "All channels have one scale." if same_scale else "Each channel has its own scale."
    caption += "" if recording.mask is None else " Shaded: missing values."
    return _picture(axes, f"The {recording.n_channels} channels of the recording over time", caption)


def _sources(fit: FittedModel, recording: Recording, truth: np.ndarray | None) -> Picture:
    axes = plots.plot_sources(
        fit.sources_,
        fit.sources_std_,
        recording.time_axis,
        None if truth is None else like_estimates(truth, fit.sources_),
        missing=None if recording.mask is None else np.any(~recording.mask, axis=1, keepdims=True)[:, 0],
        time_unit=recording.time_unit,
    )
    caption = "Posterior mean (line) with its 95 % band (shade)"
    if truth is None:
        caption += "; each source has variance 1. Where no shade is visible, the band is narrower than the line."
    else:
        caption += (
            ", scaled to the true sources (dashed), which are in the order and with the sign of the estimates. The "
            "truth was used for this plot alone, not for the fit."
        )
    caption += "" if recording.mask is None else " Grey: times at which values of the recording are missing."
    n_sources = fit.sources_.shape[1]
    return _picture(axes, f"The {n_sources} separated sources over time with their 95 percent bands", caption)


def _training(fit: FittedModel, recording: Recording) -> dict[str, Picture]:
    history = fit.history_
    return {
        "losses": _picture(
            plots.plot_losses(history),
            "The loss and its terms over training",
            "The objective and its terms: every epoch (pale) and running median (strong). Linear axes span the values "
            "after the first twentieth of training.",
        ),
        "error": _picture(
            plots.plot_reconstruction_error(history),
            "Reconstruction error over training",
            "Mean squared distance between the normalised recording and its reconstruction.",
        ),
        "length_scales": _picture(
            plots.plot_length_scales(history, recording.duration, recording.time_unit),
            "Length-scale of each source over training, normalised and in time units",
            "Left: as a fraction of the record's length. Right: in the recording's time unit.",
        ),
    }


def _mixing(fit: FittedModel, recording: Recording) -> Picture:
    channels, units, n = recording.channel_names, recording.units, fit.sources_.shape[1]
    if mixing_spec(fit.map_).is_linear:
        return _picture(
            plots.plot_mixing(getattr(fit, "mixing_"), channels, units=units),  # noqa: B009
            "Mixing matrix: weight of every source in every channel",
            "The amplitude in each channel (row) of one standard deviation of a source (column).",
        )
    levels = LEVELS[:, None, None] * np.eye(n)  # (G, n, n): source k alone at each level
    responses = np.stack([fit.inverse_transform(levels[:, k]) for k in range(n)])
    return _picture(
        plots.plot_responses(LEVELS, responses, channels, units=units),
        "Response of every channel to each source alone",
        "Response of the channels to each source alone, with all others at zero.",
    )


def _curves(fit: FittedModel, recording: Recording) -> Picture:
    levels, curves = getattr(fit, "curves_")  # noqa: B009 (channelwise maps only)
    return _picture(
        plots.plot_curves(levels, curves, recording.channel_names, units=recording.units),
        "Nonlinearity of every channel as a function of its weighted sum of sources",
        "The value of each channel as a function of its weighted sum of sources; a straight line is a linear channel.",
    )
