"""Many starts: the objective chooses, one compilation serves all, and the first start is the single fit's."""

from __future__ import annotations

import numpy as np
import pytest
from quick_compile import quick_compile

from stradiff.evaluation import matched_correlation
from stradiff.fitting import Settings, fit, fit_best, trainer
from stradiff.fitting.restarts import restart_seed, turned
from stradiff.observations.simulate import gp_sources

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


@pytest.mark.parametrize("init", ["sobi", "random"])
def test_the_best_of_several_is_kept_and_all_are_told_of(observed, init):
    compiled = trainer.run._cached._cache_size()
    best = fit_best(observed, None, Settings(**SETTINGS, init=init, n_restarts=3), seed=7)
    assert trainer.run._cached._cache_size() <= compiled + 1
    objectives = [one.objective for one in best.restarts]
    assert len(objectives) == 3 and len({one.seed for one in best.restarts}) == 3
    assert objectives[0] == min(objectives) == pytest.approx(best.history["total"][-100:].mean())
    single = fit(observed, None, Settings(**SETTINGS, init=init), seed=7)
    (first,) = [one for one in best.restarts if one.seed == 7]
    assert first.objective == single.history["total"][-100:].mean()


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
