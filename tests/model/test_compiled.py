"""The compilation cache: its folder, and when it stays disabled; quick compilation."""

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
compiled.MIN_SECONDS = 0.0
events = []
monitoring.register_event_listener(lambda event, **_: events.append(event))
with numerics():
    jax.jit(lambda x: x * 2.0 + 1.0)(3.0)
print(events.count("/jax/compilation_cache/cache_hits"))
"""


@pytest.fixture
def unconfigured(monkeypatch, tmp_path):
    """JAX without a cache folder, and the path of a new one; the configuration is restored afterwards."""
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.setenv(compiled.VARIABLE, str(tmp_path / "new"))
    yield tmp_path / "new"
    for name, value in before.items():
        jax.config.update(name, value)
    compiled.compilation_cache.reset_cache()


def configured_folder():
    compiled.enable_compilation_cache.__wrapped__()
    return jax.config.jax_compilation_cache_dir


def test_the_given_folder(unconfigured):
    assert configured_folder() == str(unconfigured)
    assert unconfigured.is_dir()


def test_the_users_cache_folder_by_default(unconfigured, monkeypatch):
    monkeypatch.delenv(compiled.VARIABLE)
    monkeypatch.setattr(compiled, "user_cache_path", lambda name: unconfigured / name)
    assert configured_folder() == str(unconfigured / "stradiff" / "compiled")


def test_the_cache_can_be_disabled(unconfigured, monkeypatch):
    monkeypatch.setenv(compiled.VARIABLE, "off")
    assert configured_folder() is None


def test_a_folder_configured_in_jax_is_kept(unconfigured, tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "own"))
    assert configured_folder() == str(tmp_path / "own")


def test_no_cache_without_a_writable_folder(unconfigured, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(compiled.VARIABLE, str(tmp_path / "file" / "below"))
    assert configured_folder() is None


@pytest.mark.parametrize("message", ["Loading XLA:CPU AOT result. Target machine feature +x is not supported", None])
def test_no_cache_where_programs_cannot_be_loaded(unconfigured, monkeypatch, message):
    monkeypatch.setattr(compiled, "_stderr_of", lambda call: message)
    assert configured_folder() is None


def test_messages_of_compiled_code_are_captured(capfd):
    assert compiled._stderr_of(lambda: os.write(2, b"AOT result\n")) == "AOT result\n"
    assert capfd.readouterr().err == ""
    assert compiled._stderr_of(lambda: 1 / 0) is None


def test_a_second_process_loads_the_programs_of_the_first(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_COMPILATION")}
    environment[compiled.VARIABLE] = str(tmp_path)
    hits = []
    for _ in range(2):
        process = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
        )
        hits.append(int(process.stdout))
    assert hits[0] == 0
    assert hits[1] >= 1


@compiled.quick_jit
def _halved(values, times: int):
    for _ in range(times):
        values = values / 2.0
    return values


def test_quick_jit_compiles_once_per_shape():
    traced = []
    program = compiled.quick_jit(lambda values: traced.append(values) or jnp.sin(values))
    for start in (0.0, 1.0):
        assert program(jnp.arange(3.0) + start)[0] == pytest.approx(np.sin(start))
    assert len(traced) == 1


def test_quick_jit_is_inlined_in_another_program():
    both = jax.jit(lambda values: _halved(values, 2) + 1.0)
    np.testing.assert_array_equal(both(jnp.ones(3)), np.full(3, 1.25))
    assert jax.eval_shape(lambda values: _halved(values, 1), jnp.ones(3)).shape == (3,)


def test_an_option_unknown_to_xla_is_omitted(monkeypatch):
    assert compiled._options.__wrapped__() == compiled.QUICK_OPTIONS
    monkeypatch.setattr(compiled, "QUICK_OPTIONS", {"xla_cpu_no_such_option": True})
    assert compiled._options.__wrapped__() is None
