"""The compilation cache: its folder, and when it stays disabled; quick compilation."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stradiff.model import compiled, numerics

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
    compiled.cache_folder.cache_clear()
    yield tmp_path / "new"
    for name, value in before.items():
        jax.config.update(name, value)
    compiled.compilation_cache.reset_cache()
    compiled.cache_folder.cache_clear()


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
    """A folder that was asked for is worth a warning, the default is not."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(compiled.VARIABLE, str(tmp_path / "file" / "below"))
    with pytest.warns(UserWarning, match=r"below of STRADIFF_CACHE cannot be written .*; name another"):
        assert configured_folder() is None
    compiled.cache_folder.cache_clear()
    monkeypatch.delenv(compiled.VARIABLE)
    monkeypatch.setattr(compiled, "user_cache_path", lambda name: tmp_path / "file" / name)
    assert configured_folder() is None


def test_no_cache_without_a_home(unconfigured, monkeypatch, tmp_path):
    """Where nobody knows one, "~" stays as it is written."""
    for name in (compiled.VARIABLE, "HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    monkeypatch.chdir(tmp_path)
    assert configured_folder() is None
    assert not list(tmp_path.iterdir())


@pytest.fixture
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def test_the_folder_is_its_owners_alone(unconfigured, open_umask):
    configured_folder()
    assert stat.S_IMODE(unconfigured.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o720])
def test_a_folder_others_can_write_to_is_refused(unconfigured, mode):
    unconfigured.mkdir()
    unconfigured.chmod(mode)
    with pytest.warns(UserWarning, match=rf"{unconfigured} can be written by other users, .*; delete it, or name"):
        assert configured_folder() is None
    assert not list(unconfigured.iterdir())


def test_a_folder_of_another_user_is_refused(unconfigured, monkeypatch):
    unconfigured.mkdir(mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: unconfigured.stat().st_uid + 1)
    with pytest.warns(UserWarning, match=f"{unconfigured} belongs to another user"):
        assert configured_folder() is None


@pytest.mark.parametrize(("mode", "refused"), [(0o777, True), (0o1777, False)])
def test_a_folder_that_others_can_replace_is_refused(unconfigured, monkeypatch, tmp_path, mode, refused):
    """Not where only owners remove, as in a folder for temporary files; and a link is no way around."""
    (tmp_path / "all").mkdir()
    (tmp_path / "all").chmod(mode)
    (tmp_path / "link").symlink_to(tmp_path / "all" / "own")
    monkeypatch.setenv(compiled.VARIABLE, str(tmp_path / "link"))
    if refused:
        with pytest.warns(UserWarning, match=f"{tmp_path / 'all'} can be written by all users"):
            assert configured_folder() is None
    else:
        assert configured_folder() == str(tmp_path / "all" / "own")


def test_a_fit_goes_on_without_a_cache(unconfigured):
    unconfigured.mkdir()
    unconfigured.chmod(0o777)
    compiled.enable_compilation_cache.cache_clear()
    values = np.random.default_rng(0).standard_normal((60, 2))
    with pytest.warns(UserWarning, match="Programs are compiled anew in every process"), numerics():
        assert float(jnp.sum(values)) == pytest.approx(values.sum())
    compiled.enable_compilation_cache.cache_clear()


def test_an_entry_that_a_killed_process_left_unfinished_is_removed(unconfigured):
    unconfigured.mkdir(mode=0o700)
    for name in ("whole-cache", "whole-atime", "torso-cache"):
        (unconfigured / name).write_bytes(bytes(8))
    configured_folder()
    assert {path.name for path in unconfigured.iterdir()} == {"whole-cache", "whole-atime", ".lockfile"}


@pytest.mark.parametrize("message", ["Loading XLA:CPU AOT result. Target machine feature +x is not supported", None])
def test_no_cache_where_programs_cannot_be_loaded(unconfigured, monkeypatch, message):
    monkeypatch.setattr(compiled, "_stderr_of", lambda call: message)
    assert configured_folder() is None


def test_messages_of_compiled_code_are_captured(capfd):
    assert compiled._stderr_of(lambda: os.write(2, b"AOT result\n")) == "AOT result\n"
    assert capfd.readouterr().err == ""
    assert compiled._stderr_of(lambda: 1 / 0) is None


def test_a_second_process_loads_the_programs_of_the_first_and_of_one_that_filled_it_at_once(tmp_path):
    """Also in a folder with spaces and accents; of two processes at once neither says a word."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_COMPILATION")}
    environment[compiled.VARIABLE] = str(tmp_path / "Wörk öf été")
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    said = []
    for n_processes in (2, 1):
        command = [sys.executable, "-c", PROGRAM]
        processes = [subprocess.Popen(command, env=environment, **output) for _ in range(n_processes)]
        said += [process.communicate() for process in processes]
    assert [errors for _, errors in said] == ["", "", ""]
    assert int(said[-1][0]) >= 1


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
