"""``stradiff demo``: the experiments of the paper's section 3, and a real recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stradiff.cli import options as o
from stradiff.cli.compare import compare_with_baselines, show_comparison
from stradiff.cli.console import Console

if TYPE_CHECKING:
    import numpy as np

    from stradiff.data.recording import Recording

MIXINGS = {"linear": "linear", "nonlinear": "leaky_relu"}  # the study's simulations, by the demo's name
MAPS = {"linear": "linear", "nonlinear": "mlp", "real": "linear"}
SAMPLES = 1000  # as in the paper; the real recording: 15.6 s of walking
WALKING = 1920  # first sample of the shipped recording where the person walks evenly
SOURCES = 3


def demo(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="linear or nonlinear: three known sources, mixed; real: nine accelerometers while walking.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", parser=o.folder_of, help="Folder for the results."),
    ] = Path("stradiff-demo"),
    epochs: Annotated[
        int, typer.Option("--epochs", "--max-epochs", min=1, help="Longest training, in epochs; the paper's is 10,000.")
    ] = 3000,
    seed: o.Seed = 0,
    json: o.Json = False,
    quiet: o.Quiet = False,
    preset: o.Preset = None,
    device: o.Device = None,
) -> None:
    """Run an experiment from beginning to end: nothing to prepare, one page to open.

    Writes into DIR everything that separate writes; linear also the
    counterparts of the paper's figures 2 to 6 as pictures, nonlinear
    that of figure 7 and the same pictures of training. The truth is used to report, never to fit.
    """
    from stradiff.cli.results import fit, output_folder, show_summary, write_results
    from stradiff.errors import OptionError
    from stradiff.report.study import recorded_epochs

    if kind not in MAPS:
        raise OptionError(f"There is no demo {kind!r}; choose one of {', '.join(MAPS)}.")
    console = Console(json, quiet)
    recording, truth = _problem(kind, seed)
    parameters = o.given(components=SOURCES, mixing=MAPS[kind], preset=preset, max_epochs=epochs, device=device)
    parameters |= {"training__record_epochs": recorded_epochs(epochs), "random_state": seed}
    with output_folder(out) as folder:
        model = fit(console, recording, parameters)
        model.save(folder / "fit.stradiff")  # before anything that may fail
        rows = compare_with_baselines(console, model, recording, truth, seed)
        figures = [] if truth is None else _write_figures(model, recording, truth, folder)
        summary = write_results(model, recording, folder, truth=truth, extra={"methods": rows, "figures": figures})
    show_summary(console, summary)
    show_comparison(console, rows)
    console.say(f"Report: {summary['files']['report']}")
    console.result(summary)


def _problem(kind: str, seed: int) -> tuple[Recording, np.ndarray | None]:
    """The recording, and the true sources where they are known."""
    from stradiff.data.examples import load_gait
    from stradiff.data.simulate import simulate

    if kind == "real":
        return load_gait(n_samples=SAMPLES, start=WALKING), None
    made = simulate(MIXINGS[kind], n_samples=SAMPLES, seed=seed)  # type: ignore[arg-type]
    return made.recording, made.sources


def _write_figures(model: Any, recording: Recording, truth: np.ndarray, folder: Path) -> list[str]:
    """Draw the study's figures into ``folder`` and return where they are."""
    from stradiff.files import atomic_path
    from stradiff.report.study import draw_study

    written = []
    for name, figure in draw_study(model, recording, truth).items():
        path = folder / f"{name}.png"
        with atomic_path(path) as unfinished:
            figure.savefig(unfinished, dpi=150)
        written.append(str(path))
    return written
