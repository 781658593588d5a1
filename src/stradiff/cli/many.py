"""``stradiff separate FOLDER``: all recordings of a folder, each with a folder of results of its own.

They are separated one by one, or with ``--shared-mixing`` in one fit.
"""

from __future__ import annotations

import json
import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from stradiff.cli.configuration import configured
from stradiff.cli.console import Console, Interrupted
from stradiff.cli.results import (
    LAST,
    checkpoint_in,
    completing,
    fit,
    made_for_something,
    output_folder,
    resumable,
    write_results,
)
from stradiff.cli.spelling import spelled_as_options
from stradiff.config import Checkpoint
from stradiff.data.readers import READERS, read_recording
from stradiff.errors import InputError, SeparationWarning
from stradiff.jobs.cluster import warn_where_open
from stradiff.jobs.group import fit_group
from stradiff.jobs.recordings import checkpoint_beside, content_of
from stradiff.jobs.runner import run_tasks
from stradiff.jobs.tasks import Outcome
from stradiff.model.compiled import cache_folder
from stradiff.train.checkpoint import digest_of, remove_checkpoints


@dataclass(frozen=True)
class FileTask:
    """A file, how it is read, and how its recording is separated."""

    file: Path
    reading: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """Of the file's content and of all options."""
        return digest_of(*content_of(self.file), sorted({**self.reading, **self.parameters}.items()))

    def run(self, path: Path) -> None:
        """Write everything that ``separate`` writes of one recording beside ``path``."""
        data = read_recording(self.file, **self.reading)
        with output_folder(path.parent) as folder:
            checkpoint = checkpoint_beside(path, self.digest)
            model = fit(Console(json=False, quiet=True), data, self.parameters, Checkpoint(str(checkpoint)))
            if model.interrupted_:
                raise KeyboardInterrupt  # the fit is not complete, and Ctrl-C is meant for all of them
            write_results(model, data, folder, reading=self.reading)
            remove_checkpoints(checkpoint)


def files_of(recordings: Path) -> dict[str, Path]:
    """The recordings of a folder by name; :class:`InputError` where there is none, or a name is there twice."""
    files: dict[str, Path] = {}
    for file in sorted(recordings.iterdir()):
        if file.suffix.lower() not in READERS:
            continue
        if file.stem in files:
            raise InputError(f"{recordings} holds several files called {file.stem}; rename all but one.")
        files[file.stem] = file
    if not files:
        raise InputError(f"{recordings} holds no recording; give a folder of {', '.join(READERS)} files.")
    return files


def separate_folder(
    recordings: Path,
    out: Path,
    reading: dict[str, Any],
    parameters: dict[str, Any],
    *,
    jobs: int,
    scheduler: str | None,
    console: Console,
) -> list[Outcome]:
    """Separate every file of a kind that can be read; finished results are left as they are."""
    files = files_of(recordings)
    tasks = {name: FileTask(file.resolve(), reading, parameters) for name, file in files.items()}
    paths = {name: out / name / LAST for name in tasks}
    with console.notes():  # before the work, and once
        cache_folder()
        if scheduler is not None:
            warn_where_open(scheduler)
    verbose: bool | str = "auto" if console.for_people else False
    logs = nullcontext() if scheduler is None else _without_logs()
    with made_for_something(out), _no_empty_folders(paths), logs:
        try:
            return run_tasks(tasks, paths, out, n_jobs=jobs, scheduler=scheduler, verbose=verbose)
        except KeyboardInterrupt:
            raise Interrupted(
                "Interrupted; what is finished stays, and the same command goes on where it stopped."
            ) from None


def separate_together(
    recordings: Path,
    out: Path,
    reading: dict[str, Any],
    parameters: dict[str, Any],
    *,
    resume: bool,
    seconds: float,
    console: Console,
) -> list[Outcome]:
    """Separate all files of a folder with one mixing.

    Raises
    ------
    KeyboardInterrupt
        When interrupted before the first epoch was over; later, the training so far is kept.
    """
    start = time.perf_counter()
    data = {name: read_recording(file, **reading) for name, file in files_of(recordings).items()}
    console.progress(
        f"Separating {len(data)} recordings with one mixing. Ctrl-C stops early and keeps what was learned."
    )
    verbose: bool | str = "auto" if console.for_people else False
    with output_folder(out) as folder, resumable(checkpoint_in(folder, resume, console)) as checkpoint:
        model = configured({**parameters, "missing": reading["missing"], "verbose": verbose})
        model.set_params(checkpoint=Checkpoint(str(checkpoint), seconds))
        with console.notes(), warnings.catch_warnings():
            warnings.simplefilter("ignore", SeparationWarning)  # printed below, with the findings that are no warnings
            fits = fit_group(data, model)
        if fits[0].interrupted_:
            console.remark(["The same command with --resume goes on from there."])
        outcomes = []
        with completing(folder, fits[0]):
            for (name, recording), one in zip(data.items(), fits, strict=True):
                console.remark(f"{name}: {item['sentence']}" for item in one.diagnostics_ if item["kind"] != "ending")
                with output_folder(folder / name) as own:
                    write_results(one, recording, own, reading=reading)
                outcomes.append(Outcome(name, folder / name / LAST, None, time.perf_counter() - start, fresh=True))
    return outcomes


@contextmanager
def _no_empty_folders(paths: dict[str, Path]) -> Iterator[None]:
    """Afterwards, remove the folders that interrupted workers made and left empty."""
    try:
        yield
    finally:
        for path in paths.values():
            if path.parent.is_dir() and not any(path.parent.iterdir()):
                path.parent.rmdir()


@contextmanager
def _without_logs() -> Iterator[None]:
    """Without dask's log of workers that come and go: the failure of a recording is in its outcome."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # this process only waits
    try:
        yield
    finally:
        logging.disable(before)


def _remarks(outcome: Outcome) -> str:
    """The number of remarks in the report of a recording, for the end of its line."""
    count = len(json.loads(outcome.path.read_text(encoding="utf-8"))["diagnostics"])
    return f"; {count} remark{'s' * (count > 1)} in the report" if count else ""


def show_outcomes(console: Console, outcomes: list[Outcome]) -> None:
    """A line for each recording, and the same for programs."""
    outcomes = [replace(one, error=one.error and spelled_as_options(one.error)) for one in outcomes]
    for one in outcomes:
        how = f"{one.seconds:.0f} s" if one.fresh else "there already"
        console.say(f"{one.name}: {one.error or f'{one.path.parent} ({how}{_remarks(one)})'}")
    console.result(
        {
            "recordings": [
                {"name": one.name, "results": str(one.path.parent), "error": one.error, "seconds": one.seconds}
                for one in outcomes
            ]
        }
    )
