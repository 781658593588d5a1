"""Many starts: the objective chooses, one compilation serves all, and the first start is the single fit's."""

from __future__ import annotations

import dataclasses
import signal
import threading

import numpy as np
import pytest
from quick_compile import quick_compile

from stradiff.assess import matched_correlation
from stradiff.config import Settings
from stradiff.data.sources import gp_sources
from stradiff.train import fit_best, restarts
from stradiff.train import step as trainer
from stradiff.train import threads as team
from stradiff.train import training as fit
from stradiff.train.loop import present_sources
from stradiff.train.restarts import restart_seed, start_of, turned
from stradiff.train.trials import ranked_starts

SETTINGS = {
    "n_sources": 2,
    "max_epochs": 120,
    "network_width": 4,
    "n_diffusion_steps": 2,
    "standardise": True,
    "network_output_scale": 0.0,
    "lambda_volume": 1.0,
    "prior": "matern32",
}


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compile():
        yield


@pytest.fixture(scope="module")
def observed():
    sources = gp_sources(150, (20.0, 4.0), seed=100)
    return (sources @ np.array([[1.0, 0.4], [0.3, 1.0]])).astype(np.float32)


def cache_size() -> int:
    """Programs that training was compiled to."""
    return trainer.run._cached._cache_size()


@pytest.mark.parametrize("init", ["sobi", "random"])
def test_the_best_of_several_is_kept_and_all_are_told_of(observed, init):
    compiled = cache_size()
    best = fit_best(observed, None, Settings(**SETTINGS, init=init, n_restarts=3), seed=7)
    assert cache_size() <= compiled + 1
    objectives = [one.objective for one in best.restarts]
    assert len(objectives) == 3 and len({one.seed for one in best.restarts}) == 3
    assert objectives[0] == min(objectives) == pytest.approx(best.history["total"][-100:].mean())
    single = fit(observed, None, Settings(**SETTINGS, init=init), seed=7)
    (first,) = [one for one in best.restarts if one.seed == 7]
    assert first.objective == single.history["total"][-100:].mean()


def test_after_the_verdict_the_best_goes_on_alone_and_has_the_bits_of_a_single_fit(observed, monkeypatch):
    monkeypatch.setattr(restarts, "RUNG_EPOCHS", 200)
    heard: list[int] = []
    settings, compiled = Settings(**SETTINGS | {"max_epochs": 450}, init="sobi", n_restarts=3), cache_size()
    best = fit_best(observed, None, settings, seed=7, callbacks=[lambda report: heard.append(report.epoch)])
    assert cache_size() <= compiled + 1
    assert sorted(heard) == [100] * 3 + [200] * 3 + [300, 400, 450] and best.n_epochs == 450
    objectives = [one.objective for one in best.restarts]
    assert objectives[0] == min(objectives) == best.history["total"][100:200].mean()
    number = next(k for k in range(3) if restart_seed(7, k) == best.restarts[0].seed)
    starts, _ = ranked_starts(observed, None, settings, seed=7)
    seed = restart_seed(7, number)
    told = dataclasses.replace(settings, init="given", n_restarts=1)
    single = fit(observed, None, told, guess=start_of(starts, number, seed), seed=seed)
    np.testing.assert_array_equal(single.history["total"], best.history["total"])
    np.testing.assert_array_equal(present_sources(single.model), best.restarts[0].sources)


def test_a_stop_before_the_verdict_is_a_stop(observed, monkeypatch):
    monkeypatch.setattr(restarts, "RUNG_EPOCHS", 200)
    settings = Settings(**SETTINGS | {"max_epochs": 450}, init="sobi", n_restarts=2)
    assert fit_best(observed, None, settings, callbacks=[lambda report: True]).n_epochs == 100


def test_ctrl_c_after_the_verdict_keeps_what_is_there(observed, monkeypatch):
    monkeypatch.setattr(restarts, "RUNG_EPOCHS", 100)

    def interrupt(report):
        if report.epoch > 100:
            raise KeyboardInterrupt

    settings = Settings(**SETTINGS | {"max_epochs": 450}, init="sobi", n_restarts=2)
    best = fit_best(observed, None, settings, callbacks=[interrupt])
    assert best.interrupted and best.n_epochs == 200 and len(best.restarts) == 2


def test_one_start_is_one_fit(observed):
    settings = Settings(**SETTINGS, init="sobi")
    one, other = (how(observed, None, settings, seed=3) for how in (fit, fit_best))
    np.testing.assert_array_equal(one.history["total"], other.history["total"])
    assert other.restarts == ()


def test_an_interrupted_fit_ends_the_restarts(observed):
    def interrupt(report):
        raise KeyboardInterrupt

    best = fit_best(observed, None, Settings(**SETTINGS, init="sobi", n_restarts=4), callbacks=[interrupt])
    assert best.interrupted and len(best.restarts) == 1 and best.n_epochs


@pytest.mark.parametrize("cores", ["1", "4"])
def test_the_bits_do_not_depend_on_how_many_run_beside_each_other(observed, monkeypatch, cores):
    settings = Settings(**SETTINGS, init="sobi", n_restarts=4)
    alone = fit_best(observed, None, settings, seed=7, at_once=1)
    monkeypatch.setattr(team, "cpu_count", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", cores)
    assert team.usable_cores() == int(cores)
    together = fit_best(observed, None, settings, seed=7)
    assert [one.objective for one in together.restarts] == [one.objective for one in alone.restarts]
    for one, other in zip(alone.restarts, together.restarts, strict=True):
        np.testing.assert_array_equal(one.sources, other.sources)
    np.testing.assert_array_equal(alone.history["total"], together.history["total"])


def test_callbacks_hear_of_every_fit_one_at_a_time(observed, monkeypatch):
    monkeypatch.setattr(restarts, "usable_cores", lambda: 3)
    busy, heard = threading.Lock(), []

    def listen(report):
        assert busy.acquire(blocking=False)
        heard.append((threading.get_ident(), report.epoch))
        busy.release()

    fit_best(observed, None, Settings(**SETTINGS, init="sobi", n_restarts=3), callbacks=[listen])
    assert sorted(epoch for _, epoch in heard) == [100] * 3 + [120] * 3


@pytest.mark.usefixtures("_ctrl_c_is_heard")
def test_ctrl_c_ends_all_that_run_and_keeps_them(observed, monkeypatch):
    monkeypatch.setattr(restarts, "usable_cores", lambda: 2)
    settings = Settings(**{**SETTINGS, "max_epochs": 1_000_000}, init="sobi", n_restarts=3)
    heard, raised = set(), []

    def interrupt(report):  # as the terminal does it: a signal to the main thread while others compute
        heard.add(threading.get_ident())
        if len(heard) == 2 and not raised:
            raised.append(report.epoch)
            signal.raise_signal(signal.SIGINT)

    best = fit_best(observed, None, settings, callbacks=[interrupt])
    assert best.interrupted and 2 <= len(best.restarts) <= 3 and 100 <= best.n_epochs < 100_000 and raised


def test_what_goes_wrong_in_one_fit_is_told(observed):
    def fail(report):
        raise ValueError("no room for another picture")

    with pytest.raises(ValueError, match="no room"):
        fit_best(observed, None, Settings(**SETTINGS, init="sobi", n_restarts=3), callbacks=[fail])


def test_turned_sources_are_mixtures_of_the_same_ones(observed):
    guess = 3 * observed.astype(float) + 1
    other = turned(guess, seed=5)
    design = np.column_stack([guess, np.ones(len(guess))])
    np.testing.assert_allclose(design @ np.linalg.lstsq(design, other, rcond=None)[0], other, atol=1e-9)
    assert (matched_correlation(other, guess) < 0.99).any()
    assert not np.allclose(other, turned(guess, seed=6))


def test_seeds_of_restarts():
    seeds = [restart_seed(2**31 - 2, number) for number in range(50)]
    assert seeds[0] == 2**31 - 2 and len(set(seeds)) == 50 and all(0 <= seed < 2**31 for seed in seeds)
