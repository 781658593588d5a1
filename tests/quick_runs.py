"""Runs of the command line of which only the files matter: a small configuration, and a page of one number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stradiff.files import atomic_path

RESULTS = {
    *("sources.csv", "bands.csv", "reconstruction.csv", "history.csv", "fit.stradiff", "configuration.toml"),
    *("report.html", "summary.json"),
}


def configuration(max_epochs: int) -> str:
    """The text of a configuration file."""
    return f"""
n_components = 2
uncertainty = "monte-carlo"
prior = "matern12"
diffusion = {{n_steps = 1, network = {{name = "dense", width = 2, depth = 1}}}}
training = {{max_epochs = {max_epochs}, tol = 0, record_epochs = []}}
"""


def write_page(fit: Any, recording: Any, path: Path, **_: Any) -> None:
    """In place of the report, which takes longer to draw than such a fit."""
    with atomic_path(path) as unfinished:
        unfinished.write_text(str(fit.sources_.sum()))
