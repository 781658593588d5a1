"""What watches training while it runs: the history, the progress bar, early stopping, the user's callbacks."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stradiff.train.objective import Terms
from stradiff.train.step import TrainInfo

PATIENCE = 500  # epochs over which an improvement is measured: longer than a wait at a plateau, short beside a fit


@dataclasses.dataclass(frozen=True)
class Report:
    """How far a fit is.

    ``epoch`` of ``max_epochs`` are done; ``n_values`` of the recording were seen; ``history`` maps a name to an array
    with one row per epoch so far; ``sources()`` computes the present sources ``(T, n)`` at the mean start, before
    ordering and sign.
    """

    epoch: int
    max_epochs: int
    n_values: int
    history: dict[str, np.ndarray]
    sources: Callable[[], np.ndarray]


@runtime_checkable
class Callback(Protocol):
    """Called with a ``Report`` about every hundred epochs; returning True stops the fit."""

    def __call__(self, report: Report) -> bool | None:
        """Whether to stop."""


class History:
    """Every reported number of every epoch."""

    def __init__(self, n_sources: int) -> None:
        scalars = ("total", *Terms._fields, "reconstruction_mse")
        empty = {name: np.empty(0) for name in scalars} | {"length_scales": np.empty((0, n_sources))}
        self._chunks: list[dict[str, np.ndarray]] = [empty]

    def append(self, info: TrainInfo, n_epochs: int) -> None:
        """Keep the first ``n_epochs`` rows of ``info``."""
        columns = {"total": info.total, **info.terms._asdict(), "reconstruction_mse": info.mse}
        columns["length_scales"] = info.length_scales
        self._chunks.append({name: np.asarray(rows[:n_epochs], np.float64) for name, rows in columns.items()})

    def restore(self, rows: dict[str, np.ndarray]) -> None:
        """Replace all rows by those that ``as_dict`` returned once."""
        self._chunks = [{name: rows[name] for name in self._chunks[0]}]

    def as_dict(self) -> dict[str, np.ndarray]:
        """One array per name, an epoch per row."""
        return {name: np.concatenate([chunk[name] for chunk in self._chunks]) for name in self._chunks[0]}


class EarlyStopping:
    """Stop when the objective falls by less than ``tol`` nats per observed value over PATIENCE epochs."""

    def __init__(self, tol: float) -> None:
        self.tol = tol
        self.converged = False

    def __call__(self, report: Report) -> bool:
        """Whether the mean over the last PATIENCE epochs is hardly below that over the PATIENCE before."""
        if self.tol <= 0 or report.epoch < 2 * PATIENCE:
            return False
        total = report.history["total"]
        fall = total[-2 * PATIENCE : -PATIENCE].mean() - total[-PATIENCE:].mean()
        self.converged = bool(fall < self.tol * report.n_values)
        return self.converged


def is_shown(verbose: bool | str) -> bool:
    """Whether progress is shown on the error stream: with ``"auto"``, where that is a terminal."""
    return sys.stderr.isatty() if verbose == "auto" else bool(verbose)


class ProgressBar:
    """A bar on the error stream; ``"auto"`` shows it on a terminal only."""

    def __init__(self, verbose: bool | str, max_epochs: int, description: str = "fitting") -> None:
        self._description = description
        self._shown = is_shown(verbose)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), disable=not self._shown)
        self._task = self._progress.add_task("compiling", total=max_epochs)

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, report: Report) -> None:
        """Move the bar; the reconstruction error is easier to judge at a glance than the objective."""
        error = report.history["reconstruction_mse"][-1]
        self._progress.update(
            self._task, completed=report.epoch, description=f"{self._description}, reconstruction error {error:.2e}"
        )

    def after(self, n_epochs: int) -> Callback:
        """The same bar for a run that goes on when ``n_epochs`` of others are done."""
        return lambda report: self(dataclasses.replace(report, epoch=n_epochs + report.epoch))

    def stopped(self, epoch: int) -> None:
        """After Ctrl-C, say what still takes time."""
        if self._shown:
            self._progress.console.print(
                f"Stopped after {epoch:,} epochs; computing the sources and their bands. "
                "Ctrl-C again leaves without them.",
                highlight=False,
                soft_wrap=True,
            )
