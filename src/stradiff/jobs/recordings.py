"""``fit_many``: one estimator's settings, many recordings, a saved fit for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from stradiff.config import Training
from stradiff.data.checks import as_float_array
from stradiff.data.readers import read_recording
from stradiff.data.recording import Recording
from stradiff.errors import InputError, OptionError
from stradiff.estimator import StrADiff
from stradiff.jobs.cluster import Scheduler, warn_where_open
from stradiff.jobs.runner import run_tasks
from stradiff.jobs.tasks import Outcome
from stradiff.train.checkpoint import digest_of, remove_checkpoints

SUFFIX = ".stradiff"
WITHOUT_EFFECT = ("verbose", "checkpoint")  # on the result


@dataclass(frozen=True)
class RecordingTask:
    """A recording, or the path of one, and the estimator that separates it."""

    estimator: StrADiff
    recording: Any

    @cached_property
    def digest(self) -> str:
        """Of the recording and of the parameters."""
        params = self.estimator.get_params(deep=False)
        params = {name: value for name, value in params.items() if name not in WITHOUT_EFFECT}
        if isinstance(params["training"], Training):
            params["training"] = params["training"].replace(callbacks=())
        if not isinstance(params["init"], str | None):
            params["init"] = _numbers(params["init"])
        return digest_of(*content_of(self.recording), *(part for item in sorted(params.items()) for part in item))

    def run(self, path: Path) -> None:
        """Fit, and save the fit."""
        recording = self.recording
        if isinstance(recording, Path):
            recording = read_recording(recording, missing=self.estimator.missing)
        values, times = (recording.values, recording.times) if isinstance(recording, Recording) else (recording, None)
        checkpoint = checkpoint_beside(path, self.digest)
        fitted = clone(self.estimator).set_params(checkpoint=checkpoint).fit(values, times=times)
        if fitted.interrupted_:
            raise KeyboardInterrupt  # the fit is not complete, and Ctrl-C is meant for all of them
        fitted.save(path)
        remove_checkpoints(checkpoint)


def fit_many(
    recordings: Mapping[str, Any] | Sequence[Any],
    estimator: StrADiff,
    out: str | Path,
    *,
    n_jobs: int = 1,
    scheduler: Scheduler | None = None,
    verbose: bool | str = "auto",
) -> list[Outcome]:
    """Separate many recordings with the same settings; each fit is saved as soon as it is finished.

    A recording that cannot be separated stops no other: its outcome says why. Called again with the same folder, it
    goes on where it stopped, and tries failures again. The bits of a fit do not depend on the number of workers.

    Parameters
    ----------
    recordings : mapping of str to recordings, or sequence
        Arrays or frames (T, m), ``Recording`` objects, or paths of files. Without names: those of files and of
        ``Recording`` objects, else ``recording 1``, ``recording 2``, ...
    estimator : StrADiff
        Its settings, not its fit; ``random_state`` must be a number.
    out : path
        Folder for ``NAME.stradiff``, which ``StrADiff.load`` reads, and ``done.json``. All workers must reach it.
    n_jobs : int
        Worker processes on this machine, of one thread each, which end with the call; a script needs no
        ``if __name__ == "__main__"`` for them. With 1 there is no worker: fits follow one another in
        this process, as with ``StrADiff.fit``, on all cores. Where these are many, sums are split up in another order,
        and the last bits are not those of workers.
    scheduler : str or distributed.Client, optional
        Address of a dask scheduler whose cluster is used instead, such as ``"tls://10.0.0.1:8786"``, with certificates
        from the configuration of dask; or a connection to one, which stays open. Needs ``stradiff[cluster]``. Start its
        workers with one thread each, as those of ``n_jobs`` are:
        ``OMP_NUM_THREADS=1 NPROC=1 dask worker --nthreads 1 ..``.
    verbose : bool or "auto"
        A progress bar over recordings.

    Returns
    -------
    list of Outcome
        In the order of the recordings.

    Raises
    ------
    InputError, OptionError, StorageError
        Names that repeat or cannot be file names, settings that cannot be, a folder that cannot be written or that
        another call writes into, a scheduler that does not answer.

    Warns
    -----
    UserWarning
        Where the scheduler is on another machine and reached without TLS.

    Examples
    --------
    >>> import tempfile
    >>> from stradiff import StrADiff, Training, simulate
    >>> trials = {f"trial {k}": simulate("linear", n_samples=150, seed=k).recording for k in range(2)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = StrADiff(3, training=Training(max_epochs=2, tol=0), random_state=0, verbose=False)
    ...     outcomes = fit_many(trials, model, folder)
    ...     [StrADiff.load(outcome.path).sources_.shape for outcome in outcomes]
    [(150, 3), (150, 3)]
    """
    if isinstance(estimator.random_state, bool) or not isinstance(estimator.random_state, int | np.integer):
        raise OptionError(
            f"random_state={estimator.random_state!r} must be a number: the fit of a recording must not depend on how "
            "many there are and where it is computed."
        )
    named = recordings if isinstance(recordings, Mapping) else by_name(recordings)
    if not named:
        raise InputError("There is no recording to separate.")
    for name in named:
        if not isinstance(name, str) or not name or Path(name).name != name:
            raise InputError(f"The name {name!r} of a recording cannot be that of a file; give another.")
    if scheduler is not None:
        warn_where_open(scheduler)
    quiet = clone(estimator).set_params(verbose=False, checkpoint=None)  # one file would not do for all of them
    tasks = {
        name: RecordingTask(quiet, Path(recording) if isinstance(recording, str) else recording)
        for name, recording in named.items()
    }
    paths = {name: Path(out) / f"{name}{SUFFIX}" for name in tasks}
    return run_tasks(tasks, paths, Path(out), n_jobs=n_jobs, scheduler=scheduler, verbose=verbose)


def checkpoint_beside(path: Path, digest: str) -> Path:
    """Where the training of a task is kept until its result is at ``path``; that of other settings is another file."""
    return path.with_name(f"{path.stem}-{digest[:12]}.checkpoint")


def content_of(recording: Any) -> tuple[Any, ...]:
    """What distinguishes recordings; of a file that cannot be read its name, and the task fails with the reason."""
    if isinstance(recording, Recording):
        return recording.values, recording.times
    try:
        return (recording.read_bytes() if isinstance(recording, Path) else _numbers(recording),)
    except OSError:
        return (recording,)


def _numbers(table: Any) -> Any:
    """A table as a fit sees it, NaN for what is masked or missing; as it is where a fit would refuse it."""
    try:
        return as_float_array(table, missing="mask")
    except InputError:
        return table


def by_name(recordings: Sequence[Any]) -> dict[str, Any]:
    """Recordings with the names of their files, their own, or their numbers."""
    named: dict[str, Any] = {}
    for number, recording in enumerate(recordings, start=1):
        if isinstance(recording, str | Path):
            name = Path(recording).stem
        else:
            name = recording.name if isinstance(recording, Recording) else f"recording {number}"
        if name in named:
            raise InputError(f"Two recordings are called {name!r}; give a mapping of different names to recordings.")
        named[name] = recording
    return named
