"""Everything that training starts from, decided once."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from quick_compile import quick_compile
from short import changed, configuration
from two_sources import standardised, two_sources

from stradiff import SOBI, matched_correlation
from stradiff.config import Dense
from stradiff.initialise import initialisation, initialise
from stradiff.initialise.initialisation import rotated_at_random
from stradiff.initialise.prior_selection import prior_choice
from stradiff.initialise.seeds import restart_seed
from stradiff.model.concatenation import Concatenation
from stradiff.model.mixing import MLP
from stradiff.model.priors import GaussianProcess
from stradiff.train import train

CONFIG = changed(
    configuration(n_sources=2, init="sobi", network=Dense(width=4), n_steps=2, standardise=True, output_scale=0.0),
    prior="matern32",
)


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compile():
        yield


@pytest.fixture(scope="module")
def made():
    return two_sources("linear")


@pytest.fixture(scope="module")
def observed(made):
    return standardised(made.recording.values)


def test_there_is_one_candidate_where_there_is_no_choice(observed, made):
    (given,) = initialise(observed, None, changed(CONFIG, init="given", mixing="mlp"), guess=made.sources).candidates
    assert given.sources is made.sources
    (random,) = initialise(observed, None, changed(CONFIG, init="random", length_scale=0.1)).candidates
    assert random.sources is None
    np.testing.assert_allclose(random.priors.length_scales, 0.1, rtol=1e-6)
    for values, mixing in ((observed, "linear"), (observed[:, :2], "mlp")):
        (only,) = initialise(values, None, changed(CONFIG, mixing=mixing)).candidates
        np.testing.assert_array_equal(only.sources, SOBI(2).fit_transform(values.astype(np.float64)))


def test_every_candidate_of_a_nonlinear_mixing_has_priors_of_its_own():
    values = two_sources("leaky_relu").recording.values.astype(np.float32)
    config = changed(CONFIG, mixing=MLP(linear_path=True))
    candidates = initialise(values, None, config).candidates
    assert len(candidates) > 1
    scales = [np.asarray(one.priors.length_scales) for one in candidates]
    assert any((scales[0] != other).any() for other in scales[1:])


def test_training_begins_with_the_priors_decided_and_they_end_where_the_history_does(observed):
    """Nothing follows the last step."""
    start = initialise(observed, None, CONFIG)
    (only,) = start.candidates
    result = train(dataclasses.replace(start, settings=changed(start.settings, max_epochs=20)))
    assert result.model.priors.names == only.priors.names
    one_step = 1.5 * CONFIG.training.learning_rate * CONFIG.training.prior_rate  # of a logarithm, by Adam
    first, last = result.history["length_scales"][[0, -1]]
    np.testing.assert_allclose(np.log(first), np.log(only.priors.length_scales), atol=one_step)
    np.testing.assert_array_equal(last, np.asarray(result.model.priors.length_scales, np.float64))
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.model = None


def test_a_linear_mixing_selects_its_priors_once(observed, made, monkeypatch):
    """Restarts take over the names, and tune them to their own sources."""
    calls = []

    def rotation(starts, *, rotate):
        calls.append((len(starts), rotate))
        return starts[0], ("ar_student", "rbf")

    monkeypatch.setattr(initialisation, "initialise_by_rotation", rotation)
    start = initialise(observed, None, changed(CONFIG, prior="auto"))
    (only,) = start.candidates
    np.testing.assert_array_equal(only.sources, SOBI(2).fit_transform(observed.astype(np.float64)))
    assert start.settings.prior == "auto" and only.priors.names == start.start(1).priors.names == ("ar_student", "rbf")
    given = initialise(observed, None, changed(CONFIG, prior="auto", init="given"), guess=made.sources)
    assert [family.name for family in given.families] == ["ar_student", "rbf"]
    assert calls == [(2, True), (1, False)]


def test_a_prior_of_none_is_resolved_before_anything_starts(observed, monkeypatch):
    config, shown = changed(CONFIG, prior=None, init="random"), []

    def recorded(config, n_samples, *, even):
        shown.append((n_samples, even))
        return prior_choice(config, n_samples, even=even)

    monkeypatch.setattr(initialisation, "prior_choice", recorded)
    times, mask, layout = np.linspace(0, 1, 200), np.ones(observed.shape, np.float32), Concatenation((100, 100))
    for times_of, options in ((None, {}), (times, {}), (None, {"mask": mask}), (None, {"layout": layout})):
        start = initialise(observed, times_of, config, **options)
        assert start.settings.prior == start.families == (GaussianProcess(),) * 2
    assert shown == [(200, True)] + 3 * [(200, False)]


def test_restarts_beyond_the_candidates_are_rotated(observed):
    start = initialise(observed, None, CONFIG, seed=5)
    assert start.start(0) is start.candidates[0]
    expected = rotated_at_random(start.candidates[0].sources, restart_seed(5, 3))
    np.testing.assert_array_equal(start.start(3).sources, expected)


def test_rotated_sources_are_mixtures_of_the_same_ones(observed):
    sources = 3 * observed.astype(float) + 1
    other = rotated_at_random(sources, seed=5)
    design = np.column_stack([sources, np.ones(len(sources))])
    np.testing.assert_allclose(design @ np.linalg.lstsq(design, other, rcond=None)[0], other, atol=1e-9)
    assert (matched_correlation(other, sources) < 0.99).any()
    assert not np.allclose(other, rotated_at_random(sources, seed=6))


def test_seeds_of_restarts():
    seeds = [restart_seed(2**31 - 2, number) for number in range(50)]
    assert seeds[0] == 2**31 - 2 and len(set(seeds)) == 50 and all(0 <= seed < 2**31 for seed in seeds)
