"""``stradiff separate FOLDER``: every recording of a folder, each with a folder of results of its own."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from stradiff.cli.console import Console, Interrupted
from stradiff.cli.results import output_folder
from stradiff.cli.spelling import spelled_as_options
from stradiff.data.readers import READERS, read_recording
from stradiff.errors import InputError
from stradiff.jobs.runner import Outcome, has_workers, work_through
from stradiff.train.checkpoint import task_of

WORKERS_LOG = "DASK_LOGGING__DISTRIBUTED"  # where dask's workers look how much to say
LAST = "summary.json"  # of the files of a result: where it is, all others are


@dataclass(frozen=True)
class FileSeparation:
    """A file, how it is read, and how its recording is separated."""

    file: Path
    components: int | str
    reading: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def task(self) -> str:
        """A digest of the file's content and of all options."""
        options = sorted({**self.reading, **self.settings}.items())
        try:
            content: Any = self.file.read_bytes()
        except OSError:
            content = self.file  # the work will say why
        return task_of(content, self.components, options)

    def work(self, path: Path) -> None:
        """Write everything that ``separate`` writes of one recording beside ``path``."""
        from stradiff.cli.results import fit, write_results

        data = read_recording(self.file, **self.reading)
        with output_folder(path.parent) as folder:
            model = fit(Console(json=False, quiet=True), data, self.components, **self.settings)
            if model.interrupted_:
                raise KeyboardInterrupt  # the fit is not what was asked for, and Ctrl-C meant them all
            write_results(model, data, folder)


def files_of(recordings: Path) -> dict[str, Path]:
    """The recordings of a folder by name; :class:`InputError` where there is none, or a name is there twice."""
    files = {file.stem: file for file in sorted(recordings.iterdir()) if file.suffix.lower() in READERS}
    names = [file.stem for file in recordings.iterdir() if file.suffix.lower() in READERS]
    if not files:
        raise InputError(f"{recordings} holds no recording; give a folder of {', '.join(READERS)} files.")
    if len(names) > len(files):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InputError(f"{recordings} holds several files called {twice[0]}; rename all but one.")
    return files


def separate_folder(
    recordings: Path,
    components: int | str,
    out: Path,
    reading: dict[str, Any],
    settings: dict[str, Any],
    *,
    jobs: int,
    scheduler: str | None,
    console: Console,
) -> list[Outcome]:
    """Separate every file of a kind that can be read; what is finished already is left as it is."""
    files = files_of(recordings)
    items = {name: FileSeparation(file.resolve(), components, reading, settings) for name, file in files.items()}
    places = {name: out / name / LAST for name in items}
    shown: bool | str = "auto" if console.for_people else False
    silence = _dask_in_silence() if has_workers(items, jobs, scheduler) else nullcontext()
    with output_folder(out), _no_empty_folders(places), silence:
        try:
            return work_through(items, places, out, n_jobs=jobs, scheduler=scheduler, verbose=shown)
        except KeyboardInterrupt:
            raise Interrupted(
                "Interrupted; what is finished stays, and the same command goes on where it stopped."
            ) from None


@contextmanager
def _no_empty_folders(places: dict[str, Path]) -> Iterator[None]:
    """Afterwards, remove what workers had made before they were stopped, where nothing is in it."""
    try:
        yield
    finally:
        for place in places.values():
            if place.parent.is_dir() and not any(place.parent.iterdir()):
                place.parent.rmdir()


@contextmanager
def _dask_in_silence() -> Iterator[None]:
    """Without what dask logs while workers come and go: what went wrong with a recording is in its outcome."""
    before, told = logging.root.manager.disable, os.environ.get(WORKERS_LOG)
    logging.disable(logging.CRITICAL)  # this process only waits
    os.environ[WORKERS_LOG] = "critical"
    try:
        yield
    finally:
        logging.disable(before)
        if told is None:
            os.environ.pop(WORKERS_LOG, None)
        else:
            os.environ[WORKERS_LOG] = told


def _remarks(outcome: Outcome) -> str:
    """How many things there are to be careful about."""
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
