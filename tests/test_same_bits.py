"""The promise of the README: the same seed gives the same bits on the same machine, however the numbers get there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from quick_compile import quick_compile

from stradiff import Checkpoint, Dense, Diffusion, MonteCarlo, Objective, StrADiff, Training, fit_many

T, M, N = 60, 3, 2
QUICK = StrADiff(
    N,
    prior="matern32",
    diffusion=Diffusion(n_steps=2, network=Dense(width=4, depth=1)),
    objective=Objective(lambda_volume=0.0),
    training=Training(max_epochs=3, tol=0.0),
    uncertainty=MonteCarlo(n_draws=3),
    random_state=0,
    verbose=False,
)
RESULTS = ("sources_", "sources_std_", "reconstruction_", "mixing_", "length_scales_", "noise_std_")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")  # of workers: one each


def recording():
    """Floats that single precision holds, so that float32 is another precision of the fit alone."""
    rng = np.random.default_rng(0)
    mixed = np.cumsum(rng.standard_normal((T, M)), axis=0) @ rng.standard_normal((M, M))
    return (mixed + np.array([0.0, 5.0, -3.0])).astype(np.float32).astype(np.float64)


def quick(**changes):
    return StrADiff(**QUICK.get_params(deep=False)).set_params(**changes)


def assert_same_bits(first, second):
    for name in RESULTS:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)
    for name, rows in second.history_.items():
        np.testing.assert_array_equal(first.history_[name], rows, err_msg=name)
    np.testing.assert_array_equal(first.sample_sources(2, 1), second.sample_sources(2, 1))


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compile():
        yield


@pytest.fixture(scope="module")
def plain():
    return quick().fit(recording())


def strided(values):
    wide = np.zeros((2 * len(values), 3 * values.shape[1]))
    wide[::2, ::3] = values
    return wide[::2, ::3]


def unaligned(values):
    raw = np.zeros(values.nbytes + 1, np.uint8)
    raw[1:] = values.ravel().view(np.uint8)
    return raw[1:].view(values.dtype).reshape(values.shape)


def read_only(values):
    copy = values.copy()
    copy.flags.writeable = False
    return copy


def mapped(values, folder):
    np.save(folder / "values.npy", values)
    return np.load(folder / "values.npy", mmap_mode="r")


LAYOUTS = {
    "columns one after the other": lambda Y, _: np.asfortranarray(Y),
    "a view with gaps": lambda Y, _: strided(Y),
    "rows in reverse": lambda Y, _: Y[::-1].copy()[::-1],
    "columns in reverse": lambda Y, _: np.asfortranarray(Y[:, ::-1])[:, ::-1],
    "bytes in reverse": lambda Y, _: Y.astype(">f8"),
    "between words of memory": lambda Y, _: unaligned(Y),
    "read-only": lambda Y, _: read_only(Y),
    "on a disk": mapped,
    "columns on a disk": lambda Y, folder: mapped(np.asfortranarray(Y), folder),
    "lists": lambda Y, _: Y.tolist(),
    "objects": lambda Y, _: Y.astype(object),
    "a frame": lambda Y, _: pd.DataFrame(Y),
    "a frame of columns": lambda Y, _: pd.DataFrame({f"channel {j}": Y[:, j].copy() for j in range(M)}),
    "extended floats": lambda Y, _: Y.astype(np.longdouble),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_how_an_array_lies_in_memory_does_not_count(plain, tmp_path, layout):
    again = quick().fit(layout(recording(), tmp_path))
    assert_same_bits(again, plain)
    rows = layout(recording(), tmp_path)
    np.testing.assert_array_equal(again.transform(rows), plain.transform(recording()))


def test_single_precision_is_the_same_in_any_layout():
    single = recording().astype(np.float32)
    assert_same_bits(quick().fit(np.asfortranarray(single)), quick().fit(single))


def test_gaps_times_and_starts_are_the_same_in_any_layout():
    Y, times = recording(), np.cumsum(0.1 + np.random.default_rng(1).random(T))
    Y[5:9, 1] = np.nan
    start = np.random.default_rng(2).standard_normal((T, N))
    first = quick(missing="mask", init=start).fit(Y, times=times)
    other = quick(missing="mask", init=np.asfortranarray(start)).fit(
        np.asfortranarray(Y), times=np.repeat(times, 2)[::2]
    )
    assert_same_bits(other, first)
    np.testing.assert_array_equal(first.inverse_transform(np.asfortranarray(start)), first.inverse_transform(start))


def test_a_fit_goes_on_from_its_checkpoint_to_the_same_bits(plain, tmp_path):
    def stop(report):
        raise KeyboardInterrupt

    path = tmp_path / "kept"
    changes = {"checkpoint": Checkpoint(str(path), 0.0), "training__record_epochs": (1,)}
    whole = quick(training__record_epochs=(1,)).fit(recording())
    with pytest.warns(UserWarning, match="Stopped by hand after 1 of 3"):
        quick(**changes, training__callbacks=[stop]).fit(recording())
    assert path.exists()
    again = quick(**changes).fit(np.asfortranarray(recording()))
    assert again.n_epochs_ == 3
    assert_same_bits(again, whole)
    np.testing.assert_array_equal(again.sources_, plain.sources_)


# --- other processes: threads, cores and workers -----------------------------------------------------------------

SCRIPT = """
import os
import sys
if len(sys.argv) > 2:  # before any library counts them
    os.sched_setaffinity(0, {int(sys.argv[2])})
import test_same_bits as same

fitted = same.quick().fit(same.recording())
fitted.save(sys.argv[1])
"""


def in_another_process(path, *core, **variables):
    """The same fit in a process of its own, on one core of this machine where that is given."""
    here = Path(__file__).parent
    environment = os.environ | variables | {"PYTHONPATH": os.pathsep.join([*sys.path, str(here)])}
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(path), *map(str, core)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return StrADiff.load(path)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A fit in a process of its own: compiled as users' are, which this one is not."""
    return in_another_process(tmp_path_factory.mktemp("process") / "fit.stradiff")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system binds no process to a core")
def test_how_many_cores_and_threads_there_are_does_not_count_for_a_short_recording(elsewhere, tmp_path):
    core = min(os.sched_getaffinity(0))
    one_core = in_another_process(tmp_path / "fit.stradiff", core, **dict.fromkeys(THREADS, "1"))
    assert_same_bits(one_core, elsewhere)


def test_workers_give_the_same_bits_however_many_they_are(elsewhere, tmp_path):
    recordings = {"a": recording(), "b": np.asfortranarray(recording())}
    outcomes = fit_many(recordings, quick(), tmp_path, n_jobs=2, verbose=False)
    assert [outcome.error for outcome in outcomes] == [None, None]
    for outcome in outcomes:
        assert_same_bits(StrADiff.load(outcome.path), elsewhere)
