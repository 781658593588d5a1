"""What holds in every test: shapes checked, no silent broadcasting, no windows, the same examples each time."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile

os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("JAX_PLATFORMS", "cpu")  # tolerances and times are those of a CPU
# One compilation cache for all processes of this run, empty at its start: the first process to get here makes it,
# test workers and the command lines that tests start inherit it.
if "STRADIFF_TEST_CACHE" not in os.environ:
    os.environ["STRADIFF_TEST_CACHE"] = tempfile.mkdtemp(prefix="stradiff-tests-")
    atexit.register(shutil.rmtree, os.environ["STRADIFF_TEST_CACHE"], ignore_errors=True)
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


def pytest_collection_modifyitems(items):
    """Short records and few epochs, as in tests, earn remarks about their sources; tests of these expect them."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("ignore::stradiff.errors.SeparationWarning"))


# No deadline: the first example compiles. Derandomised: everybody runs the same suite; look further with
# --hypothesis-profile=default.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")
