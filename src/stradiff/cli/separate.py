"""``stradiff separate``: a recording in, its sources and everything known about them out."""

from __future__ import annotations

from stradiff.cli import options as o
from stradiff.cli.console import Console


def separate(
    recording: o.RecordingFile,
    components: o.Components,
    out: o.OutFolder,
    mixing: o.Mixing = "linear",
    prior: o.Prior = None,
    preset: o.Preset = "default",
    uncertainty: o.Uncertainty = None,
    max_epochs: o.MaxEpochs = None,
    restarts: o.Restarts = None,
    seed: o.Seed = 0,
    missing: o.Missing = "refuse",
    resume: o.Resume = False,
    checkpoint_every: o.CheckpointEvery = 60.0,
    sampling_rate: o.SamplingRate = None,
    time_column: o.TimeColumn = None,
    columns: o.Columns = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Find the sources of a recording.

    Writes into DIR: report.html (open it first), sources.csv, bands.csv
    (mean, standard deviation and 95 % limits of every source),
    reconstruction.csv, history.csv, summary.json and fit.stradiff, which
    StrADiff.load, stradiff info and stradiff report read. While it trains, DIR
    holds training.checkpoint: with --resume a run that was killed, or stopped
    by Ctrl-C, goes on from there.
    """
    from stradiff.cli.results import checkpoint_in, fit, output_folder, show_summary, write_results

    console = Console(json, quiet)
    data = o.read(recording, sampling_rate, time_column, columns, missing)
    settings = {
        "mixing": mixing,
        "prior": None if prior is None else o.one_or_several(prior),
        "preset": preset,
        "uncertainty": uncertainty,
        "max_epochs": max_epochs,
        "n_restarts": restarts,
        "random_state": seed,
        "checkpoint_seconds": checkpoint_every,
    }
    with output_folder(out) as folder:
        settings["checkpoint"] = checkpoint_in(folder, resume, console)
        model = fit(console, data, components, **settings)
        if model.interrupted_:
            console.remark(["The same command with --resume goes on from there."])
        summary = write_results(model, data, folder)
    show_summary(console, summary)
    console.say(f"Report: {summary['files']['report']}")
    console.result(summary)
