"""Where a bent map starts: a short trial of every candidate, and the objective chooses."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from quick_compile import quick_compile

from stradiff import SOBI, simulate
from stradiff.config import Settings
from stradiff.data.sources import gp_sources
from stradiff.model.concatenation import Concatenation
from stradiff.train import fit_best
from stradiff.train import training as fit
from stradiff.train import trials as race
from stradiff.train.loop import Loop
from stradiff.train.restarts import restart_seed
from stradiff.train.trials import ranked_starts

T = 200
SETTINGS = Settings(
    n_sources=2,
    mixing="mlp",
    mixing_linear_path=True,
    mixing_output_scale=0.1,
    mixing_width=8,
    init="sobi",
    max_epochs=150,
    network_width=4,
    n_diffusion_steps=2,
    standardise=True,
    network_output_scale=0.0,
    lambda_volume=1.0,
    prior="matern32",
)


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compile():
        yield


@pytest.fixture(scope="module")
def made():
    return simulate("leaky_relu", sources=gp_sources(T, (20.0, 4.0), seed=100), n_channels=4, seed=100)


@pytest.fixture(scope="module")
def observed(made):
    Y = made.recording.values
    return ((Y - Y.mean(axis=0)) / Y.std(axis=0)).astype(np.float32)


@pytest.fixture
def wrong(made):
    """Sources turned into each other by an eighth of a circle."""
    return made.sources @ np.array([[1.0, 1.0], [-1.0, 1.0]])


@pytest.mark.parametrize("right_comes", ["first", "last"])
def test_the_start_with_the_least_objective_is_chosen(observed, made, wrong, right_comes, monkeypatch):
    both = [made.sources, wrong] if right_comes == "first" else [wrong, made.sources]
    monkeypatch.setattr(race, "candidates", lambda *_: both)
    (first, second), same = ranked_starts(observed, None, SETTINGS)
    assert first is made.sources and second is wrong and same is SETTINGS


def test_a_trial_that_diverges_is_not_chosen(observed, made, wrong, monkeypatch):
    monkeypatch.setattr(race, "candidates", lambda *_: [made.sources, wrong])
    advance, begun = Loop.advance, []

    def fail_first(loop, stop):
        begun.append(loop)
        if len(begun) == 1:
            raise FloatingPointError
        advance(loop, stop)

    monkeypatch.setattr(Loop, "advance", fail_first)
    assert ranked_starts(observed, None, SETTINGS, verbose=True)[0][0] is wrong


def test_nothing_is_tried_where_there_is_no_choice(observed, made, monkeypatch):
    monkeypatch.setattr(Loop, "advance", None)
    (given,), _ = ranked_starts(observed, None, dataclasses.replace(SETTINGS, init="given"), guess=made.sources)
    assert given is made.sources
    assert ranked_starts(observed, None, dataclasses.replace(SETTINGS, init="random"))[0] == []
    for values, change in ((observed, {"mixing": "linear"}), (observed[:, :2], {})):
        (only,), _ = ranked_starts(values, None, dataclasses.replace(SETTINGS, **change))
        np.testing.assert_array_equal(only, SOBI(2).fit_transform(values.astype(np.float64)))


def test_a_matrix_is_told_the_priors_that_its_start_asks_for(observed, made, monkeypatch):
    """Once: neither fit nor restart asks the sources that were turned already."""
    asked = []

    def ask(starts, settings):
        asked.append((len(starts), settings.init))
        return starts[0], ("ar_student", "rbf")

    monkeypatch.setattr(race, "initialise_by_rotation", ask)
    auto = dataclasses.replace(SETTINGS, mixing="linear", prior="auto", max_epochs=2)
    (found,), told = ranked_starts(observed, None, auto)
    np.testing.assert_array_equal(found, SOBI(2).fit_transform(observed.astype(np.float64)))
    assert told.prior == ("ar_student", "rbf")
    given = dataclasses.replace(auto, init="given")
    assert ranked_starts(observed, None, given, guess=made.sources)[0][0] is made.sources
    assert fit_best(observed, None, dataclasses.replace(auto, n_restarts=2)).model.priors.names == told.prior
    assert asked == [(2, "sobi"), (1, "given"), (2, "sobi")]


def test_fits_and_restarts_start_there(observed):
    """The same bits as fits that are told to start where the trials say; the second restart at the second best."""
    (first, second, *_), _ = ranked_starts(observed, None, SETTINGS, seed=3)
    told = dataclasses.replace(SETTINGS, init="given")
    found = fit(observed, None, SETTINGS, seed=3)
    np.testing.assert_array_equal(
        found.history["total"], fit(observed, None, told, guess=first, seed=3).history["total"]
    )
    other = fit(observed, None, told, guess=second, seed=restart_seed(3, 1))
    best = fit_best(observed, None, dataclasses.replace(SETTINGS, n_restarts=2), seed=3)
    expected = {one.history["total"][-100:].mean() for one in (found, other)}
    assert {one.objective for one in best.restarts} == expected


def test_gaps_and_several_recordings_are_tried_as_they_are_fitted(observed, made, wrong, monkeypatch):
    monkeypatch.setattr(race, "candidates", lambda *_: [wrong, made.sources])
    mask = np.ones(observed.shape, np.float32)
    mask[50:60, 1] = 0.0
    assert ranked_starts(observed, None, SETTINGS, mask=mask)[0][0] is made.sources
    layout = Concatenation((120, 80))
    bare: list[np.ndarray] = []
    monkeypatch.setattr(race, "candidates", lambda values, *_: bare.append(values) or [wrong, made.sources])
    assert ranked_starts(layout.pad(observed), None, SETTINGS, layout=layout)[0][0] is made.sources
    np.testing.assert_array_equal(bare[0], observed)
