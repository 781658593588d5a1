"""Successive halving: the objective chooses among starts, one compilation serves all, each has the bits of a fit."""

from __future__ import annotations

import signal
import threading

import numpy as np
import pytest
from quick_compile import quick_compile
from short import changed, configuration
from two_sources import standardised, two_sources

from stradiff.config import Dense
from stradiff.data.sources import gp_sources
from stradiff.initialise import initialisation as initialisation_module
from stradiff.initialise import initialise
from stradiff.initialise.seeds import restart_seed
from stradiff.model.concatenation import Concatenation
from stradiff.model.mixing import MLP
from stradiff.train import restarts, threads, train
from stradiff.train import step as training_step
from stradiff.train.loop import Loop, present_sources
from stradiff.train.restarts import Rung, candidate_objectives

CONFIG = configuration(
    n_sources=2,
    max_epochs=120,
    network=Dense(width=4),
    n_steps=2,
    standardise=True,
    output_scale=0.0,
    lambda_volume=1.0,
    prior="matern32",
    init="sobi",
)
NONLINEAR = changed(CONFIG, mixing=MLP(width=8, linear_path=True, output_scale=0.1), max_epochs=150)


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compile():
        yield


@pytest.fixture(scope="module")
def observed():
    sources = gp_sources(150, (20.0, 4.0), seed=100)
    return (sources @ np.array([[1.0, 0.4], [0.3, 1.0]])).astype(np.float32)


def trained(observed, config, seed=7, guess=None, **options):
    return train(initialise(observed, None, config, guess=guess, seed=seed), **options)


def cache_size() -> int:
    """Programs that training was compiled to."""
    return training_step.run._cached._cache_size()


@pytest.mark.parametrize("init", ["sobi", "random"])
def test_the_best_of_several_is_kept_and_all_are_reported(observed, init):
    compiled = cache_size()
    best = trained(observed, changed(CONFIG, init=init, n_restarts=3))
    assert cache_size() <= compiled + 1
    objectives = [one.objective for one in best.restarts]
    assert len(objectives) == 3 and len({one.seed for one in best.restarts}) == 3
    assert objectives[0] == min(objectives) == pytest.approx(best.history["total"][-100:].mean())
    single = trained(observed, changed(CONFIG, init=init))
    assert single.restarts == ()
    (first,) = [one for one in best.restarts if one.seed == 7]
    assert first.objective == single.history["total"][-100:].mean()


def test_after_the_rung_the_best_goes_on_alone_and_has_the_bits_of_a_single_fit(observed, monkeypatch):
    monkeypatch.setattr(restarts, "RESTART_RUNG", Rung(200, 100))
    epochs: list[int] = []
    config, compiled = changed(CONFIG, max_epochs=450, n_restarts=3), cache_size()
    start = initialise(observed, None, config, seed=7)
    best = train(start, callbacks=[lambda report: epochs.append(report.epoch)])
    assert cache_size() <= compiled + 1
    assert sorted(epochs) == [100] * 3 + [200] * 3 + [300, 400, 450] and best.n_epochs == 450
    objectives = [one.objective for one in best.restarts]
    assert objectives[0] == min(objectives) == best.history["total"][100:200].mean()
    number = next(k for k in range(3) if restart_seed(7, k) == best.restarts[0].seed)
    given = changed(config, init="given", n_restarts=1)
    single = trained(observed, given, seed=restart_seed(7, number), guess=start.start(number).sources)
    np.testing.assert_array_equal(single.history["total"], best.history["total"])
    np.testing.assert_array_equal(present_sources(single.model), best.restarts[0].sources)


def test_a_stop_before_the_end_of_the_rung_is_a_stop(observed, monkeypatch):
    monkeypatch.setattr(restarts, "RESTART_RUNG", Rung(200, 100))
    config = changed(CONFIG, max_epochs=450, n_restarts=2)
    assert trained(observed, config, callbacks=[lambda report: True]).n_epochs == 100


def test_ctrl_c_after_the_rung_keeps_what_is_there(observed, monkeypatch):
    monkeypatch.setattr(restarts, "RESTART_RUNG", Rung(100, 100))

    def interrupt(report):
        if report.epoch > 100:
            raise KeyboardInterrupt

    best = trained(observed, changed(CONFIG, max_epochs=450, n_restarts=2), callbacks=[interrupt])
    assert best.interrupted and best.n_epochs == 200 and len(best.restarts) == 2


def test_an_interrupted_fit_ends_the_restarts(observed):
    def interrupt(report):
        raise KeyboardInterrupt

    best = trained(observed, changed(CONFIG, n_restarts=4), callbacks=[interrupt])
    assert best.interrupted and len(best.restarts) == 1 and best.n_epochs


@pytest.mark.parametrize("cores", ["1", "4"])
def test_the_bits_do_not_depend_on_how_many_run_side_by_side(observed, monkeypatch, cores):
    config = changed(CONFIG, n_restarts=4)
    alone = trained(observed, config, at_once=1)
    monkeypatch.setattr(threads, "cpu_count", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", cores)
    assert threads.usable_cores() == int(cores)
    together = trained(observed, config)
    assert [one.objective for one in together.restarts] == [one.objective for one in alone.restarts]
    for one, other in zip(alone.restarts, together.restarts, strict=True):
        np.testing.assert_array_equal(one.sources, other.sources)
    np.testing.assert_array_equal(alone.history["total"], together.history["total"])


def test_callbacks_are_called_for_every_run_one_at_a_time(observed, monkeypatch):
    monkeypatch.setattr(threads, "usable_cores", lambda: 3)
    busy, calls = threading.Lock(), []

    def callback(report):
        assert busy.acquire(blocking=False)
        calls.append((threading.get_ident(), report.epoch))
        busy.release()

    trained(observed, changed(CONFIG, n_restarts=3), callbacks=[callback])
    assert sorted(epoch for _, epoch in calls) == [100] * 3 + [120] * 3


@pytest.mark.usefixtures("_ctrl_c_interrupts")
def test_ctrl_c_ends_all_runs_and_keeps_them(observed, monkeypatch):
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    identifiers, raised = set(), []

    def interrupt(report):  # as the terminal does it: a signal to the main thread while others compute
        identifiers.add(threading.get_ident())
        if len(identifiers) == 2 and not raised:
            raised.append(report.epoch)
            signal.raise_signal(signal.SIGINT)

    best = trained(observed, changed(CONFIG, max_epochs=1_000_000, n_restarts=3), callbacks=[interrupt])
    assert best.interrupted and 2 <= len(best.restarts) <= 3 and 100 <= best.n_epochs < 100_000 and raised


def test_an_error_in_one_run_is_raised(observed):
    def fail(report):
        raise ValueError("no room for another picture")

    with pytest.raises(ValueError, match="no room"):
        trained(observed, changed(CONFIG, n_restarts=3), callbacks=[fail])


# --- candidates of a nonlinear mixing -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made():
    return two_sources("leaky_relu")


@pytest.fixture(scope="module")
def mixed(made):
    return standardised(made.recording.values)


@pytest.fixture
def wrong(made):
    """Sources turned into each other by an eighth of a circle."""
    return made.sources @ np.array([[1.0, 1.0], [-1.0, 1.0]])


@pytest.fixture
def only(monkeypatch):
    """Replaces the linear candidates by those given."""
    return lambda *sources: monkeypatch.setattr(initialisation_module, "candidates", lambda *_: list(sources))


def test_the_candidate_of_least_objective_is_the_start(mixed, made, wrong, only):
    only(wrong, made.sources)
    start = initialise(mixed, None, NONLINEAR)
    assert start.candidates[0].sources is wrong and start.candidates[1].sources is made.sources
    objectives = candidate_objectives(start)
    assert np.argmin(objectives) == 1
    single = trained(mixed, changed(NONLINEAR, init="given"), seed=0, guess=made.sources)
    assert min(objectives) == single.history["total"][75:100].mean()
    np.testing.assert_array_equal(train(start).history["total"], single.history["total"])


def test_a_candidate_that_diverges_is_not_the_start(mixed, made, wrong, only, monkeypatch):
    only(made.sources, wrong)
    advance, begun = Loop.advance, []

    def fail_first(loop, stop):
        begun.append(loop)
        if len(begun) == 1:
            raise FloatingPointError
        advance(loop, stop)

    monkeypatch.setattr(Loop, "advance", fail_first)
    diverged, finite = candidate_objectives(initialise(mixed, None, NONLINEAR), verbose=True)
    assert diverged == np.inf and np.isfinite(finite)


@pytest.mark.usefixtures("_ctrl_c_interrupts")
def test_ctrl_c_among_the_candidates_is_an_interrupt(mixed, made, wrong, only, monkeypatch):
    only(made.sources, wrong)
    advance = Loop.advance

    def interrupted(loop, stop):
        signal.raise_signal(signal.SIGINT)
        advance(loop, stop)

    monkeypatch.setattr(Loop, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(initialise(mixed, None, NONLINEAR))


def test_the_second_restart_begins_at_the_second_candidate(mixed, made, wrong, only):
    only(wrong, wrong[:, ::-1] ** 3, made.sources)
    start = initialise(mixed, None, NONLINEAR, seed=3)
    first, second = np.argsort(candidate_objectives(start), kind="stable")[:2]
    given = changed(NONLINEAR, init="given")
    expected = {
        trained(mixed, given, seed=restart_seed(3, k), guess=start.candidates[number].sources)
        .history["total"][-100:]
        .mean()
        for k, number in enumerate((first, second))
    }
    best = trained(mixed, changed(NONLINEAR, n_restarts=2), seed=3)
    assert {one.objective for one in best.restarts} == expected


def test_several_recordings_with_gaps_are_compared_as_they_are_fitted(mixed, made, wrong, monkeypatch):
    layout, mask = Concatenation((120, 80)), np.ones(mixed.shape, np.float32)
    mask[50:60, 1] = 0.0
    shown: list[np.ndarray] = []
    monkeypatch.setattr(
        initialisation_module, "candidates", lambda values, *_: shown.append(values) or [wrong, made.sources]
    )
    padded = layout.pad_mask(mask, mixed.shape)
    start = initialise(layout.pad(mixed), None, NONLINEAR, mask=padded, layout=layout)
    assert np.argmin(candidate_objectives(start)) == 1
    np.testing.assert_array_equal(shown[0], mixed)


def test_one_start_is_not_compared(observed, monkeypatch):
    monkeypatch.setattr(restarts, "run_rung", None)
    assert trained(observed, changed(CONFIG, max_epochs=3)).n_epochs == 3
