"""Compiled programs go where they should, and nowhere where they would not come back."""

from __future__ import annotations

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stradiff.model import compiled

SETTINGS = (
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_compilation_cache_max_size",
)

PROGRAM = """
import jax
from jax import monitoring
from stradiff.model import compiled, numerics
compiled.LEAST_SECONDS = 0.0
seen = []
monitoring.register_event_listener(lambda event, **_: seen.append(event))
with numerics():
    jax.jit(lambda x: x * 2.0 + 1.0)(3.0)
print(seen.count("/jax/compilation_cache/cache_hits"))
"""


@pytest.fixture
def untold(monkeypatch, tmp_path):
    """JAX without a folder of its own, and a new one to offer it; everything as before afterwards."""
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.setenv(compiled.VARIABLE, str(tmp_path / "new"))
    yield tmp_path / "new"
    for name, value in before.items():
        jax.config.update(name, value)
    compiled.compilation_cache.reset_cache()


def folder():
    compiled.enable_compilation_cache.__wrapped__()
    return jax.config.jax_compilation_cache_dir


def test_keeps_them_in_the_folder_given(untold):
    assert folder() == str(untold)
    assert untold.is_dir()


def test_keeps_them_in_the_users_cache_by_default(untold, monkeypatch):
    monkeypatch.delenv(compiled.VARIABLE)
    monkeypatch.setattr(compiled, "user_cache_path", lambda name: untold / name)
    assert folder() == str(untold / "stradiff" / "compiled")


def test_off_is_off(untold, monkeypatch):
    monkeypatch.setenv(compiled.VARIABLE, "off")
    assert folder() is None


def test_what_the_user_told_jax_stands(untold, tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "own"))
    assert folder() == str(tmp_path / "own")


def test_no_folder_where_none_can_be(untold, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(compiled.VARIABLE, str(tmp_path / "file" / "below"))
    assert folder() is None


@pytest.mark.parametrize("complaint", ["Loading XLA:CPU AOT result. Target machine feature +x is not supported", None])
def test_nothing_is_kept_that_would_not_come_back(untold, monkeypatch, complaint):
    monkeypatch.setattr(compiled, "_said_while", lambda call: complaint)
    assert folder() is None


def test_complaints_of_compiled_code_are_heard_and_not_shown(capfd):
    assert compiled._said_while(lambda: os.write(2, b"AOT result\n")) == "AOT result\n"
    assert capfd.readouterr().err == ""
    assert compiled._said_while(lambda: 1 / 0) is None


def test_a_second_process_reads_what_the_first_compiled(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_COMPILATION")}
    environment[compiled.VARIABLE] = str(tmp_path)
    hits = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
        )
        hits.append(int(done.stdout))
    assert hits[0] == 0
    assert hits[1] >= 1


@compiled.quick_jit
def _halved(values, times: int):
    for _ in range(times):
        values = values / 2.0
    return values


def test_compiled_soon_is_compiled_once_for_a_shape():
    traced = []
    program = compiled.quick_jit(lambda values: traced.append(values) or jnp.sin(values))
    for start in (0.0, 1.0):
        assert program(jnp.arange(3.0) + start)[0] == pytest.approx(np.sin(start))
    assert len(traced) == 1


def test_compiled_soon_within_another_program_is_a_part_of_it():
    both = jax.jit(lambda values: _halved(values, 2) + 1.0)
    np.testing.assert_array_equal(both(jnp.ones(3)), np.full(3, 1.25))
    assert jax.eval_shape(lambda values: _halved(values, 1), jnp.ones(3)).shape == (3,)


def test_an_option_that_xla_does_not_know_is_not_given(monkeypatch):
    assert compiled._options.__wrapped__() == compiled.SOON
    monkeypatch.setattr(compiled, "SOON", {"xla_cpu_no_such_option": True})
    assert compiled._options.__wrapped__() is None
