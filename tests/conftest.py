"""What holds in every test: shapes checked, no silent broadcasting, no windows, the same examples each time."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile

os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("JAX_PLATFORMS", "cpu")  # tolerances and times are those of a CPU
# The first process to get here decides for all of this run: test workers and the command lines that tests start inherit
# one compilation cache, empty at its start, and how XLA compiles, which is most of the suite. The older way to write
# loops takes two thirds of the time (stradiff.model.compiled), and leaving out optimisations two thirds of that.
# Another process is asked: an unknown flag would end it.
if "STRADIFF_TEST_CACHE" not in os.environ:
    os.environ["STRADIFF_TEST_CACHE"] = tempfile.mkdtemp(prefix="stradiff-tests-")
    atexit.register(shutil.rmtree, os.environ["STRADIFF_TEST_CACHE"], ignore_errors=True)
    flags = "--xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=0 "
    flags += "--xla_llvm_disable_expensive_passes=true "
    flags += os.environ.get("XLA_FLAGS", "")  # the last of each counts
    ask = [sys.executable, "-c", "import jax; jax.devices()"]
    if subprocess.run(ask, env=os.environ | {"XLA_FLAGS": flags}, capture_output=True).returncode == 0:
        os.environ["XLA_FLAGS"] = flags
os.environ["JAX_COMPILATION_CACHE_DIR"] = os.environ["STRADIFF_TEST_CACHE"]
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"  # as in the folder of a user

import jax
import jaxtyping
import pytest
from hypothesis import settings

# The hook rewrites modules while they are imported: one that came in earlier would go unchecked.
assert "stradiff" not in sys.modules, "stradiff was imported before the shape checks were installed"
jaxtyping.install_import_hook("stradiff", "beartype.beartype")

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="module", autouse=True)
def _compiled_functions_end_with_their_file():
    """Linux lets a process hold 65,530 pieces of memory; compiled functions of the whole suite are more: a crash."""
    yield
    jax.clear_caches()


@pytest.fixture
def _ctrl_c_interrupts():
    """A shell ignores it for what it starts in the background, and Python keeps to that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pytest_collection_modifyitems(items):
    """Short records and few epochs, as in tests, earn remarks about their sources; tests of these expect them."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("ignore::stradiff.errors.SeparationWarning"))


# No deadline: the first example compiles. Derandomised: every run has the same examples; look further with
# --hypothesis-profile=default.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")
