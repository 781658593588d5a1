"""``stradiff compare``: StrADiff beside the methods one would try first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stradiff.cli import options as o
from stradiff.cli.console import Console

if TYPE_CHECKING:
    from stradiff.data.recording import Recording
    from stradiff.estimator import StrADiff


def compare(
    recording: o.RecordingFile,
    components: o.Components,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="True sources, where known: one column each, one row a sample.",
            show_default="none",
        ),
    ] = None,
    mixing: o.Mixing = None,
    prior: o.Prior = None,
    seed: o.Seed = 0,
    missing: o.Missing = None,
    sampling_rate: o.SamplingRate = None,
    time_column: o.TimeColumn = None,
    columns: o.Columns = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
    preset: o.Preset = None,
    max_epochs: o.MaxEpochs = None,
    tol: o.Tolerance = None,
    nu_y: o.Noise = None,
    device: o.Device = None,
) -> None:
    """Separate a recording by StrADiff, SOBI, FastICA and PCA, and judge all of them alike.

    With the true sources given, also by their correlation with them, beside
    the best that any linear method could do. With --missing mask, all but
    StrADiff see straight lines through the gaps.
    """
    from stradiff.cli.results import fit
    from stradiff.errors import InputError

    console = Console(json, quiet)
    data = o.read(recording, o.reading(sampling_rate, time_column, columns, missing))
    true_sources = None if truth is None else o.read(truth).values
    if true_sources is not None and len(true_sources) != data.n_samples:
        raise InputError(
            f"{truth} has {len(true_sources):,} samples, but the recording has {data.n_samples:,}; "
            "give true sources of the recording's length."
        )
    prior_names = None if prior is None else o.one_or_several(prior)
    parameters = o.given(components=components, mixing=mixing, prior=prior_names, preset=preset, max_epochs=max_epochs)
    parameters |= o.given(tol=tol, nu_y=nu_y, device=device, seed=seed)
    model = fit(console, data, parameters)
    rows = compare_with_baselines(console, model, data, true_sources, seed)
    show_comparison(console, rows)
    console.result({"recording": data.name, "n_components": model.sources_.shape[1], "seed": seed, "methods": rows})


def compare_with_baselines(
    console: Console, model: StrADiff, recording: Recording, truth: Any = None, seed: int = 0
) -> list[dict[str, Any]]:
    """Rows of the comparison: the fit first, then the baselines, then the oracle where the truth is known."""
    from stradiff.report.comparison import MethodResult, baselines, compare

    own = MethodResult("StrADiff", model.sources_, model.reconstruction_, model.fit_info_.get("seconds"))
    with console.notes():
        return compare([own, *baselines(recording, model.sources_.shape[1], seed)], recording, truth)


def show_comparison(console: Console, rows: list[dict[str, Any]]) -> None:
    """Print the comparison as a table, with a line on what its columns mean."""
    from stradiff.cli.results import number
    from stradiff.report.words import percent

    with_truth = "matched_correlation" in rows[0]

    def correlations(row: dict[str, Any]) -> list[str]:
        each = " ".join(number(value, 3) for value in row["matched_correlation"])
        return [number(row["mean_correlation"]), each]

    cells = [
        [
            row["method"],
            *(correlations(row) if with_truth else []),
            "–" if row["explained_variance"] is None else percent(row["explained_variance"]),
            number(row["cross_correlation"], 3),
            number(row["seconds"], 2),
        ]
        for row in rows
    ]
    truth = ["mean", "each source"] if with_truth else []
    console.table(["method", *truth, "explained", "related", "seconds"], cells)
    if with_truth:
        console.say("mean, each source: correlation with the true sources, after matching. The best linear unmixing")
        console.say("is computed from the truth; no linear method can do better.")
    console.say("explained: share of the recording's variance. related: largest correlation between two sources")
    console.say("at any lag up to 50 samples (0: unrelated; SOBI is made to lower it).")
