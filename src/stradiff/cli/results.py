"""Fitting from the command line, and the files a fit leaves behind."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stradiff.cli.console import Console, Interrupted

if TYPE_CHECKING:
    from stradiff.config import Checkpoint
    from stradiff.data.recording import Recording
    from stradiff.estimator import StrADiff

CHECKPOINT = "training.checkpoint"
LAST = "summary.json"  # of the files of a result: where it is, all others are


@contextmanager
def output_folder(path: Path) -> Iterator[Path]:
    """The folder that one run writes into, tried before any work starts; removed again if it was made for nothing."""
    from stradiff.files import locked

    with made_for_something(path) as folder, locked(folder):
        yield folder


@contextmanager
def made_for_something(path: Path) -> Iterator[Path]:
    """A folder, tried by writing; where it was made for this and is empty at the end, it is removed again."""
    from stradiff.files import check_writable_folder

    created = [parent for parent in (path, *path.parents) if not parent.exists()]
    folder = check_writable_folder(path)
    try:
        yield folder
    finally:
        for parent in created:  # the innermost first
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()


def checkpoint_in(folder: Path, resume: bool, console: Console) -> Path:
    """Where training is kept in the folder of the results; what an unfinished run left there is not overwritten."""
    from stradiff.errors import OptionError
    from stradiff.train.checkpoint import checkpoints_at

    path = folder / CHECKPOINT
    unfinished = checkpoints_at(path)
    if unfinished and not resume:
        verb, pronoun = ("is", "it") if len(unfinished) == 1 else ("are", "them")
        names = ", ".join(map(str, unfinished))
        raise OptionError(
            f"{names} {verb} left of an unfinished run; go on from {pronoun} with --resume, the same recording and the "
            f"same options, or delete {pronoun}."
        )
    if resume and not unfinished:
        console.remark([f"There is no checkpoint in {folder}; training starts anew."])
    return path


@contextmanager
def resumable(checkpoint: Path) -> Iterator[Path]:
    """Around what Ctrl-C may cut short: where training was kept, the user learns how to go on."""
    try:
        yield checkpoint
    except KeyboardInterrupt:
        if not checkpoint.exists():
            raise
        raise Interrupted(f"Interrupted; {_kept_in(checkpoint)}") from None


@contextmanager
def completing(folder: Path, model: StrADiff) -> Iterator[None]:
    """Around writing the results of a fit: the checkpoints go last, and not where the disk refuses a result."""
    from stradiff.errors import StorageError
    from stradiff.files import in_units
    from stradiff.train.checkpoint import remove_checkpoints

    checkpoint = folder / CHECKPOINT
    try:
        yield
    except StorageError as error:
        if not checkpoint.exists():
            raise
        needed = f"The results need about {in_units(model.fit_info_['disk_needed'])} in all; "
        raise StorageError(f"{error} {needed}{_kept_in(checkpoint)}") from error
    if not model.interrupted_:
        remove_checkpoints(checkpoint)


def _kept_in(checkpoint: Path) -> str:
    return f"training is kept in {checkpoint}, and the same command with --resume goes on from there."


def fit(
    console: Console, recording: Recording, parameters: dict[str, Any], checkpoint: Checkpoint | None = None
) -> StrADiff:
    """Fit StrADiff to a recording, with a progress bar on a terminal.

    ``parameters`` as ``configured`` takes them.

    Raises
    ------
    KeyboardInterrupt
        When interrupted before the first epoch was over; later, the training so far is kept.
    """
    from stradiff.cli.configuration import configured
    from stradiff.data.rank import check_rank
    from stradiff.errors import SeparationWarning

    n_components = parameters["n_components"]
    check_rank(recording.filled, 1 if n_components == "auto" else n_components, channel_names=recording.channel_names)
    sources = "sources to be counted" if n_components == "auto" else f"{n_components} sources"
    console.progress(
        f"Separating {recording.name}: {recording.n_samples:,} samples, {recording.n_channels} channels, "
        f"{sources}. Ctrl-C stops early and keeps the training so far."
    )
    model = configured({**parameters, "missing": recording.missing, "verbose": "auto" if console.for_people else False})
    model.set_params(checkpoint=checkpoint)
    with console.notes(), warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparationWarning)  # printed below, with the findings that are no warnings
        model.fit(recording.values, times=recording.times)
    console.remark(one["sentence"] for one in model.diagnostics_ if one["kind"] != "ending")
    return model


def write_results(
    model: StrADiff,
    recording: Recording,
    folder: Path,
    *,
    truth: np.ndarray | None = None,
    title: str | None = None,
    extra: dict[str, Any] | None = None,
    reading: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Write everything known after a fit into ``folder``, all or nothing, and return its summary.

    sources.csv, bands.csv, reconstruction.csv, history.csv, fit.stradiff, configuration.toml, report.html, and
    summary.json last. ``reading``: how the recording was read.
    """
    from stradiff.cli.configuration import FILE, write_configuration
    from stradiff.data.writers import write_json, write_table
    from stradiff.files import together
    from stradiff.report import write_report
    from stradiff.report.summary import bands, history_table, source_columns, summarise

    times = recording.time_axis if recording.time_unit == "s" else None
    tables = {
        "sources": (model.sources_, source_columns(model.sources_.shape[1])),
        "bands": bands(model),
        "reconstruction": (model.reconstruction_, list(recording.channel_names)),
    }
    with together(folder, LAST) as staging:
        model.save(staging / "fit.stradiff")
        write_configuration(model, reading or {}, staging / FILE)
        for name, (values, columns) in tables.items():
            write_table(staging / f"{name}.csv", values, columns, times if "time" not in columns else None)
        write_table(staging / "history.csv", *history_table(model))
        write_report(model, recording, staging / "report.html", truth=truth, title=title)
        summary = summarise(model, recording, truth) | (extra or {})
        names = (*(f"{name}.csv" for name in tables), "history.csv", "fit.stradiff", FILE, "report.html", LAST)
        summary["files"] = {Path(name).stem: str(folder / name) for name in names}
        write_json(staging / LAST, summary)
    return summary


def show_summary(console: Console, summary: dict[str, Any]) -> None:
    """Print the sources as a short table, how training ended and where the report is."""
    from stradiff.report.words import percent

    unit = summary["recording"]["time_unit"]
    columns = {"stability": "stability", "matched_correlation": "correlation\nwith truth"}
    shown = [key for key in columns if key in summary["sources"][0]]
    rows = [
        [source["name"], source["prior"], f"{source[f'length_scale_{unit}']:.4g}", percent(source["explained_share"])]
        + [number(source[key]) for key in shown]
        for source in summary["sources"]
    ]
    always = ["source", "prior", f"length-scale\n({unit})", "share of\nvariance"]
    console.table(always + [columns[key] for key in shown], rows)
    console.say(f"Together the sources explain {percent(summary['explained_variance'])} of the recording's variance.")


def number(value: float | None, digits: int = 4) -> str:
    """A number in a table; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"
