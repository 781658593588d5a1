"""Training is compiled once, by a thread of its own, and that changes nothing else."""

from __future__ import annotations

import dataclasses
import sys
from concurrent.futures import wait

import jax
import numpy as np
import pytest
from quick_compile import quick_compile

from stradiff.fitting import Settings, ahead, fit
from stradiff.fitting.ahead import compile_ahead
from stradiff.model.numerics import numerics

T = 60
OBSERVED = np.random.default_rng(0).standard_normal((T, 2)).astype(np.float32)
SETTINGS = Settings(
    n_sources=2, init="sobi", prior="matern12", max_epochs=2, tol=0.0, network_width=2, n_diffusion_steps=2
)


@pytest.fixture(autouse=True)
def _nothing_asked(monkeypatch):
    monkeypatch.setattr(ahead, "_asked", set())
    with quick_compile(), numerics():
        yield


def compiled_by(caplog, name):
    """Threads that compiled a function of this name."""
    return [record.threadName for record in caplog.records if f"XLA compilation of jit({name})" in record.getMessage()]


def test_training_is_compiled_once_and_elsewhere(caplog):
    jax.clear_caches()
    jax.config.update("jax_log_compiles", True)  # in all threads, which ``jax.log_compiles`` does not
    try:
        fit(OBSERVED, None, SETTINGS)
    finally:
        jax.config.update("jax_log_compiles", False)
    (thread,) = compiled_by(caplog, "run")
    assert thread.startswith("stradiff-compiling")


def test_a_fit_has_the_same_bits_where_it_was_not(monkeypatch):
    found = fit(OBSERVED, None, SETTINGS)
    monkeypatch.setattr(sys.modules["stradiff.fitting.fit"], "compile_ahead", lambda *_: None)
    alone = fit(OBSERVED, None, SETTINGS)
    for one, other in zip(jax.tree.leaves(found.model), jax.tree.leaves(alone.model), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(found.history["total"], alone.history["total"])


def test_a_shape_is_asked_for_once():
    first = compile_ahead(OBSERVED, None, SETTINGS, None, None)
    assert first is not None
    assert compile_ahead(OBSERVED, None, SETTINGS, None, None) is None
    other = compile_ahead(OBSERVED[1:], None, SETTINGS, None, None)
    assert other is not None
    assert not wait([first, other]).not_done and first.exception() is None and other.exception() is None


@pytest.mark.parametrize(
    "change",
    [{"init": "random"}, {"init": "given"}, {"prior": "auto"}, {"network": "convolutional"}, {"mixing": "mlp"}],
    ids=lambda change: "=".join(*change.items()),
)
def test_nothing_is_compiled_of_which_the_shape_is_not_known_or_time_would_not_be_saved(change):
    three = np.concatenate([OBSERVED, OBSERVED[:, :1]], axis=1)
    assert compile_ahead(three, None, dataclasses.replace(SETTINGS, **change), None, None) is None


def test_what_fails_there_does_not_end_the_fit(monkeypatch):
    def fails(*_):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(ahead, "Loop", fails)
    assert fit(OBSERVED, None, SETTINGS).n_epochs == 2
