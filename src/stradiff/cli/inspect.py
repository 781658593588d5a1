"""``stradiff report`` and ``stradiff info``: what a saved fit holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stradiff.cli import options as o
from stradiff.cli.console import Console


def report(
    fit: o.FitFile,
    recording: o.RecordingFile,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="The page to write, such as report.html.", show_default=False),
    ],
    title: Annotated[
        str | None, typer.Option(help="Title of the page.", show_default="from the recording's name")
    ] = None,
    missing: o.Missing = None,
    sampling_rate: o.SamplingRate = None,
    time_column: o.TimeColumn = None,
    columns: o.Columns = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Write the report of a saved fit again.

    The recording must be the one the fit was made from, read with the same options.
    """
    from stradiff.estimator import StrADiff
    from stradiff.files import check_output_path, check_writable_folder
    from stradiff.report import write_report

    console = Console(json, quiet)
    check_writable_folder(check_output_path(out).parent)
    data = o.read(recording, o.reading(sampling_rate, time_column, columns, missing))
    with console.notes():
        written = write_report(StrADiff.load(fit), data, out, title=title)
    console.say(f"Report: {written}")
    console.result({"files": {"report": str(written)}})


def info(fit: o.FitFile, json: o.Json = False) -> None:
    """Say what is in a saved fit: its sources, settings, seed and versions."""
    from stradiff.estimator import StrADiff
    from stradiff.report.summary import describe_fit, flat_rows, source_labels

    model = StrADiff.load(fit)
    facts = describe_fit(model)
    facts["sources"] = [
        {"name": name, "prior": prior, "length_scale": float(scale)}
        for name, prior, scale in zip(
            source_labels(len(model.length_scales_)), model.priors_, model.length_scales_, strict=True
        )
    ]
    facts["recording"] = dict(zip(("n_samples", "n_channels"), model.reconstruction_.shape, strict=True))
    console = Console(json)
    console.say(
        f"{fit}: {len(facts['sources'])} sources of {model.reconstruction_.shape[1]} channels, "
        f"{model.reconstruction_.shape[0]:,} samples"
    )
    console.table(
        ["source", "prior", "length-scale (fraction of the record)"],
        [[source["name"], source["prior"], f"{source['length_scale']:.4g}"] for source in facts["sources"]],
    )
    model_facts, training = facts["model"], facts["training"]
    rows = {
        "preset": model_facts["preset"],
        "seed": model_facts["seed"],
        **training,
        **model_facts["settings"],
    }
    rows |= {f"version of {name}": version for name, version in model_facts["versions"].items()}
    console.table(["what", "value"], [list(row) for row in flat_rows(rows)])
    for warning in facts["warnings"]:
        console.say(f"Warning of the fit: {warning}")
    console.result(facts)
