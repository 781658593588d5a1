"""``stradiff simulate``: a recording whose sources are known."""

from __future__ import annotations

from typing import Annotated

import typer

from stradiff.cli import options as o
from stradiff.cli.console import Console


def simulate(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="How the sources are mixed: linear, leaky_relu, tanh (networks) or post_nonlinear.",
        ),
    ],
    out: o.OutFolder,
    samples: Annotated[int, typer.Option(help="Length of the recording, in samples; at least 150.")] = 1000,
    channels: Annotated[
        int | None, typer.Option(help="Number of channels, at least 3.", show_default="3, as many as sources")
    ] = None,
    noise: Annotated[
        float, typer.Option(help="White noise, as a fraction of each channel's standard deviation.")
    ] = 0.0,
    seed: o.Seed = 0,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Make a recording of three known sources, to try a method on.

    Writes into DIR: recording.csv, sources.csv (the truth) and
    simulation.json (the settings).
    """
    from stradiff.cli.results import output_folder
    from stradiff.data.simulate import simulate as make
    from stradiff.data.writers import write_json, write_table
    from stradiff.report.summary import source_columns

    console = Console(json, quiet)
    made = make(kind, n_samples=samples, n_channels=channels, noise=noise, seed=seed)  # type: ignore[arg-type]
    recording = made.recording
    with output_folder(out) as folder:
        files = {name: str(folder / name) for name in ("recording.csv", "sources.csv", "simulation.json")}
        write_table(files["recording.csv"], recording.values, recording.channel_names)
        write_table(files["sources.csv"], made.sources, source_columns(made.sources.shape[1]))
        settings = {
            "kind": kind,
            "n_samples": recording.n_samples,
            "n_channels": recording.n_channels,
            "n_sources": made.sources.shape[1],
            "noise": noise,
            "seed": seed,
        }
        write_json(files["simulation.json"], settings)
    console.say(f"Recording: {files['recording.csv']}\nTrue sources: {files['sources.csv']}")
    console.result(settings | {"files": files})
