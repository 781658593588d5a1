"""``stradiff separate``: a recording in, its sources and everything known about them out."""

from __future__ import annotations

from typing import Any, NoReturn

import typer

from stradiff.cli import options as o
from stradiff.cli.console import Console
from stradiff.errors import OptionError


def separate(
    recording: o.RecordingFileOrFolder,
    components: o.Components,
    out: o.OutFolder,
    mixing: o.Mixing = "linear",
    prior: o.Prior = None,
    preset: o.Preset = "default",
    init: o.Init = None,
    uncertainty: o.Uncertainty = None,
    max_epochs: o.MaxEpochs = None,
    tol: o.Tolerance = None,
    nu_y: o.Noise = None,
    restarts: o.Restarts = None,
    seed: o.Seed = 0,
    missing: o.Missing = "refuse",
    resume: o.Resume = False,
    checkpoint_every: o.CheckpointEvery = 60.0,
    jobs: o.Jobs = 1,
    scheduler: o.Scheduler = None,
    device: o.Device = "auto",
    devices: o.Devices = None,
    shared_mixing: o.SharedMixing = False,
    sampling_rate: o.SamplingRate = None,
    time_column: o.TimeColumn = None,
    columns: o.Columns = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Find the sources of a recording, or of every recording in a folder.

    Writes into DIR: report.html (open it first), sources.csv, bands.csv
    (mean, standard deviation and 95 % limits of every source),
    reconstruction.csv, history.csv, summary.json and fit.stradiff, which
    StrADiff.load, stradiff info and stradiff report read. While it trains, DIR
    holds training.checkpoint: with --resume a run that was killed, or stopped
    by Ctrl-C, goes on from there. For a folder, DIR holds a folder for each
    recording, those finished with the same options are left as they are (with
    or without --resume), others are replaced, and one that cannot be separated
    stops no other. With --shared-mixing all of them are one fit: source 1 of
    one is source 1 of every other.
    """
    from stradiff.cli.results import checkpoint_in, fit, output_folder, resumable, show_summary, write_results

    console = Console(json, quiet)
    settings: dict[str, Any] = {
        "mixing": mixing,
        "prior": None if prior is None else o.one_or_several(prior),
        "preset": preset,
        "init": init,
        "uncertainty": uncertainty,
        "max_epochs": max_epochs,
        "tol": tol,
        "nu_y": nu_y,
        "n_restarts": restarts,
        "device": device,
        "n_devices": devices,
        "random_state": seed,
    }
    if recording.is_dir():
        settings |= {"checkpoint_seconds": checkpoint_every} if shared_mixing else {}
        reading = o.reading(sampling_rate, time_column, columns, missing)
        how = {"resume": resume} if shared_mixing else {"jobs": jobs, "scheduler": scheduler}
        _check_workers(jobs, scheduler, "--shared-mixing makes one fit of them" if shared_mixing else None)
        _separate_folder((recording, components, out, reading, settings), how, shared_mixing, console)
    _check_workers(jobs, scheduler, f"{recording} is none")
    if shared_mixing:
        raise OptionError(f"--shared-mixing is for a folder of recordings, and {recording} is none.")
    data = o.read(recording, sampling_rate, time_column, columns, missing)
    settings["checkpoint_seconds"] = checkpoint_every
    with output_folder(out) as folder, resumable(checkpoint_in(folder, resume, console)) as checkpoint:
        model = fit(console, data, components, checkpoint=checkpoint, **settings)
        if model.interrupted_:
            console.remark(["The same command with --resume goes on from there."])
        summary = write_results(model, data, folder)
    show_summary(console, summary)
    console.say(f"Report: {summary['files']['report']}")
    console.result(summary)


def _check_workers(jobs: int, scheduler: str | None, objection: str | None) -> None:
    if objection and (jobs > 1 or scheduler is not None):
        raise OptionError(f"--jobs and --scheduler are for a folder of recordings, and {objection}.")


def _separate_folder(task: tuple[Any, ...], how: dict[str, Any], shared_mixing: bool, console: Console) -> NoReturn:
    """All recordings of a folder, with one mixing or each with its own."""
    from stradiff.cli.many import separate_folder, separate_together, show_outcomes

    outcomes = (separate_together if shared_mixing else separate_folder)(*task, **how, console=console)
    show_outcomes(console, outcomes)
    raise typer.Exit(2 if any(outcome.error for outcome in outcomes) else 0)
