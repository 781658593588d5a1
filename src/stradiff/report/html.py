"""One HTML page about one fit: every picture inside the file, no script, nothing fetched from anywhere."""

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
from stradiff.data.writers import atomic_path
from stradiff.model.mixing import mixing_spec
from stradiff.report import plots
from stradiff.report.summary import (
    Fit,
    check_pair,
    correlation_history,
    flat_rows,
    like_estimates,
    source_labels,
    stages,
    summarise,
)
from stradiff.report.words import band, sentence

DPI = 150  # sharp on a phone and in print; a page of a dozen pictures stays near 2 MB
LEVELS = np.linspace(-3.0, 3.0, 61)  # standard deviations of a source: where all but 0.3 % of a Gaussian one lies


@dataclass(frozen=True)
class Picture:
    """An image inside the page, with the words for those who cannot see it and the words below it."""

    data: str
    alt: str
    caption: str
    width: int


def write_report(
    fit: Fit,
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
        The file to write. It appears when it is complete, never before.
    truth
        True sources ``(T, n)``, where they are known: they are drawn beside the estimates and change
        nothing else.
    title
        Title of the page; "Sources of" and the recording's name when absent.

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


def render_report(fit: Fit, recording: Recording, *, truth: np.ndarray | None = None, title: str | None = None) -> str:
    """The page :func:`write_report` writes, as text; same parameters and errors."""
    check_pair(fit, recording)
    facts = summarise(fit, recording, truth)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(
        files("stradiff.report").joinpath("report.html.jinja").read_text(encoding="utf-8")
    )
    return template.render(
        title=title or f"Sources of “{recording.name}”",
        sentence=sentence(facts),
        band=band(facts),
        facts=facts,
        unit=recording.time_unit,
        settings=list(flat_rows(facts["model"]["settings"])),
        versions=list(flat_rows(facts["model"]["versions"])),
        pictures=draw_pictures(fit, recording, truth),
    )


def draw_pictures(fit: Fit, recording: Recording, truth: np.ndarray | None = None) -> dict[str, Picture]:
    """Every picture of the page, by the name of its place; one that does not apply to this fit is absent."""
    pictures = {
        "recording": _recording(recording),
        "sources": _sources(fit, recording, truth),
        "mixing": _mixing(fit, recording),
    }
    if mixing_spec(fit.map_).is_channelwise:
        pictures["curves"] = _curves(fit, recording)
    if fit.n_epochs_:  # a fit stopped before its first epoch has no history
        pictures |= {"losses": _losses(fit), "error": _error(fit)}
        pictures["length_scales"] = _length_scales(fit, recording)
    if recording.times is None:  # a spectrum by FFT needs a regular grid
        pictures["spectra"] = _spectra(fit, recording)
    if truth is not None and len(fit.recorded_epochs_) > 1:
        pictures["correlations"] = _correlations(fit, truth)
    for place, epoch in stages(fit).items():
        pictures[f"path_{place}"] = _path(fit, recording, epoch)
    return pictures


def _picture(axes: Any, alt: str, caption: str) -> Picture:
    """Turn what was drawn into an image inside the page."""
    figure = np.ravel(axes)[0].figure
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(f"data:image/png;base64,{data}", alt, caption, round(100 * figure.get_figwidth()))


def _recording(recording: Recording) -> Picture:
    values = np.asarray(recording.values)
    spread = np.nanstd(values, axis=0)
    same_scale = bool(spread.max() <= 10 * spread.min())  # beyond that, the quietest channel would be a straight line
    axes = plots.plot_recording(
        values,
        recording.time_axis,
        recording.channel_names,
        time_unit=recording.time_unit,
        same_scale=same_scale,
    )
    scale = (
        "All channels share one scale." if same_scale else "Each channel fills its own lane: heights do not compare."
    )
    gaps = "" if recording.mask is None else " Shaded: what is missing."
    return _picture(axes, f"The {recording.n_channels} channels of the recording over time", scale + gaps)


def _sources(fit: Fit, recording: Recording, truth: np.ndarray | None) -> Picture:
    n = fit.sources_.shape[1]
    truth = None if truth is None else like_estimates(truth, fit.sources_)
    axes = plots.plot_sources(
        fit.sources_,
        fit.sources_std_,
        recording.time_axis,
        truth,
        source_labels(n) if truth is None else None,
        missing=None if recording.mask is None else ~np.all(recording.mask, axis=1, keepdims=True)[:, 0],
        time_unit=recording.time_unit,
    )
    caption = (
        "Posterior mean (line) with its 95 % band (shade); each source has variance 1. Where no shade shows, "
        "the band is narrower than the line."
    )
    if truth is not None:
        caption = (
            "Posterior mean (line) with its 95 % band (shade), scaled to the true sources (dashed), which are "
            "shown in the order and with the sign of the estimates. The truth served this picture, not the fit."
        )
    caption += "" if recording.mask is None else " Grey behind: times at which the recording has gaps."
    return _picture(axes, f"The {n} separated sources over time with their 95 percent bands", caption)


def _spectra(fit: Fit, recording: Recording) -> Picture:
    names = source_labels(fit.sources_.shape[1])
    axes = plots.plot_spectra(fit.sources_, recording.sampling_rate, names, time_unit=recording.time_unit)
    return _picture(axes, "Power spectra of the sources", "Where each source has its power (Welch's method).")


def _losses(fit: Fit) -> Picture:
    caption = (
        "The objective and its terms. Pale: every epoch; strong: running median. Linear axes are framed on "
        "what follows the first twentieth of training."
    )
    return _picture(plots.plot_losses(fit.history_), "The loss and its terms over training", caption)


def _error(fit: Fit) -> Picture:
    caption = "Mean squared distance between the normalised recording and its reconstruction."
    return _picture(plots.plot_reconstruction_error(fit.history_), "Reconstruction error over training", caption)


def _correlations(fit: Fit, truth: np.ndarray) -> Picture:
    epochs, correlation = correlation_history(fit, like_estimates(truth, fit.sources_))
    caption = "Against the true sources, at every epoch whose path was recorded."
    return _picture(
        plots.plot_correlations(correlation, epochs),
        "Correlation with the true sources over training",
        caption,
    )


def _length_scales(fit: Fit, recording: Recording) -> Picture:
    names = source_labels(fit.sources_.shape[1])
    axes = plots.plot_length_scales(fit.history_, recording.duration, recording.time_unit, names)
    caption = "Left: as a fraction of the record's length. Right: the same in the recording's time unit."
    return _picture(axes, "Length-scale of each source over training, normalised and in time units", caption)


def _path(fit: Fit, recording: Recording, epoch: int) -> Picture:
    path = fit.reverse_path(epoch)
    names = source_labels(path.shape[2])
    axes = plots.plot_diffusion_path(path, recording.time_axis, names=names, time_unit=recording.time_unit)
    alt = f"States of the reverse diffusion of every source at epoch {epoch}, from its start to the source"
    return _picture(axes, alt, f"Epoch {epoch:,}." if epoch else "Before the first epoch.")


def _mixing(fit: Fit, recording: Recording) -> Picture:
    names, channels = source_labels(fit.sources_.shape[1]), recording.channel_names
    if mixing_spec(fit.map_).is_linear:
        axes = plots.plot_mixing(getattr(fit, "mixing_"), channels, names, units=recording.units)  # noqa: B009
        caption = "What one standard deviation of a source (column) adds to a channel (row)."
        return _picture(axes, "Mixing matrix: weight of every source in every channel", caption)
    n = len(names)
    levels = LEVELS[:, None, None] * np.eye(n)  # (G, n, n): source k alone at each level
    responses = np.stack([fit.inverse_transform(levels[:, k]) for k in range(n)])
    caption = "What each source does to the channels when it moves alone and the others rest at zero."
    return _picture(
        plots.plot_responses(LEVELS, responses, channels, names, units=recording.units),
        "Response of every channel to each source alone",
        caption,
    )


def _curves(fit: Fit, recording: Recording) -> Picture:
    levels, channels = getattr(fit, "curves_")  # noqa: B009 (channelwise maps only)
    return _picture(
        plots.plot_curves(levels, channels, recording.channel_names, units=recording.units),
        "Curve of every channel over the weighted sum of sources that it sees",
        "What each channel makes of its weighted sum of the sources; a straight line is a channel that does not bend.",
    )
