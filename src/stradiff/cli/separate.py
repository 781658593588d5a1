"""``stradiff separate``: a recording in, its sources and everything known about them out."""

from __future__ import annotations

from typing import Any, NoReturn

import typer

from stradiff.cli import options as o
from stradiff.cli.configuration import read_configuration
from stradiff.cli.console import Console
from stradiff.errors import OptionError


def separate(
    recording: o.RecordingFileOrFolder,
    out: o.OutFolder,
    components: o.Components = None,
    mixing: o.Mixing = None,
    prior: o.Prior = None,
    restarts: o.Restarts = None,
    seed: o.SeedOrNone = None,
    missing: o.Missing = None,
    sampling_rate: o.SamplingRate = None,
    time_column: o.TimeColumn = None,
    columns: o.Columns = None,
    config: o.Config = None,
    resume: o.Resume = False,
    shared_mixing: o.SharedMixing = False,
    jobs: o.Jobs = 1,
    json: o.Json = False,
    quiet: o.Quiet = False,
    preset: o.Preset = None,
    init: o.Init = None,
    uncertainty: o.Uncertainty = None,
    max_epochs: o.MaxEpochs = None,
    tol: o.Tolerance = None,
    nu_y: o.Noise = None,
    checkpoint_every: o.CheckpointEvery = 60.0,
    scheduler: o.Scheduler = None,
    device: o.Device = None,
    devices: o.Devices = None,
) -> None:
    """Find the sources of a recording, or of every recording in a folder.

    Writes into DIR: report.html (open it first), sources.csv, bands.csv
    (mean, standard deviation and 95 % limits of every source),
    reconstruction.csv, history.csv, summary.json, configuration.toml (run it
    again with --config) and fit.stradiff, which StrADiff.load, stradiff info
    and stradiff report read. While it trains, DIR holds training.checkpoint:
    with --resume a run that was killed, or stopped by Ctrl-C, goes on from
    there. For a folder, DIR holds a folder for each recording: those finished
    with the same options are left as they are, others are replaced, and one
    that cannot be separated stops no other. With --shared-mixing all of them
    are one fit: source 1 of one is source 1 of every other.
    """
    from stradiff.cli.results import (
        checkpoint_in,
        completing,
        fit,
        output_folder,
        resumable,
        show_summary,
        write_results,
    )
    from stradiff.config import Checkpoint

    console = Console(json, quiet)
    parameters, file_reading = read_configuration(config)
    prior_names = None if prior is None else o.one_or_several(prior)
    parameters = {"random_state": 0} | parameters
    parameters |= o.given(components=components, mixing=mixing, prior=prior_names, preset=preset, init=init)
    parameters |= o.given(restarts=restarts, seed=seed, missing=missing, uncertainty=uncertainty, max_epochs=max_epochs)
    parameters |= o.given(tol=tol, nu_y=nu_y, device=device, devices=devices)
    if "n_components" not in parameters:
        raise OptionError("The number of sources is missing; give --components N, or --components auto.")
    reading = o.reading(sampling_rate, time_column, columns, parameters.get("missing"), given=file_reading)
    if recording.is_dir():
        _check_workers(jobs, scheduler, "--shared-mixing makes one fit of them" if shared_mixing else None)
        options: dict[str, Any] = {"resume": resume, "seconds": checkpoint_every} if shared_mixing else {}
        options = options or {"jobs": jobs, "scheduler": scheduler}
        _separate_folder((recording, out, reading, parameters), options, shared_mixing, console)
    _check_workers(jobs, scheduler, f"{recording} is none")
    if shared_mixing:
        raise OptionError(f"--shared-mixing is for a folder of recordings, and {recording} is none.")
    data = o.read(recording, reading)
    with output_folder(out) as folder, resumable(checkpoint_in(folder, resume, console)) as checkpoint:
        model = fit(console, data, parameters, checkpoint=Checkpoint(str(checkpoint), checkpoint_every))
        if model.interrupted_:
            console.remark(["The same command with --resume goes on from there."])
        with completing(folder, model):
            summary = write_results(model, data, folder, reading=reading)
    show_summary(console, summary)
    console.say(f"Report: {summary['files']['report']}")
    console.result(summary)


def _check_workers(jobs: int, scheduler: str | None, objection: str | None) -> None:
    if objection and (jobs > 1 or scheduler is not None):
        raise OptionError(f"--jobs and --scheduler are for a folder of recordings, and {objection}.")


def _separate_folder(task: tuple[Any, ...], options: dict[str, Any], shared_mixing: bool, console: Console) -> NoReturn:
    """All recordings of a folder, with one mixing or each with its own."""
    from stradiff.cli.many import separate_folder, separate_together, show_outcomes

    outcomes = (separate_together if shared_mixing else separate_folder)(*task, **options, console=console)
    show_outcomes(console, outcomes)
    raise typer.Exit(2 if any(outcome.error for outcome in outcomes) else 0)
