"""Initialisation by rotation: smooth sources stay, others are rotated to where their priors are most likely."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from quick_compile import quick_compile
from scipy.spatial.transform import Rotation
from short import configuration, estimator

from stradiff import SOBI, FastICA, matched_correlation, simulate
from stradiff.config import Dense
from stradiff.initialise import rotation
from stradiff.initialise.prior_selection import build_family, prior_choice
from stradiff.initialise.rotation import initialise_by_rotation, most_likely_rotation

T = 1000
TURN = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]


@pytest.fixture(scope="module", autouse=True)
def _compiling_little():
    with quick_compile():
        yield


def independent(seed):
    """Heavy-tailed samples without memory: their spectra do not differ."""
    rng = np.random.default_rng(seed)
    sources = rng.standard_t(3, (T, 3))
    return sources, sources @ rng.standard_normal((3, 3)).T


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_smooth_sources_stay_where_they_are(noise):
    Y = simulate("linear", n_samples=T, noise=noise, seed=100).recording.values
    start = SOBI(3).fit_transform(Y)
    sources, names = initialise_by_rotation([start, FastICA(3, random_state=0).fit_transform(Y)], rotate=True)
    assert names == ("rbf",) * 3
    np.testing.assert_allclose(sources, (start - start.mean(axis=0)) / start.std(axis=0), rtol=0, atol=1e-12)


def test_what_spectra_do_not_separate_is_separated():
    truth, Y = independent(101)
    start = SOBI(3).fit_transform(Y)
    sources, names = initialise_by_rotation([start], rotate=True)
    assert set(names) <= {"ar_student", "gmm_ar"}
    assert matched_correlation(start, truth).min() < 0.8 < 0.99 < matched_correlation(sources, truth).min()
    np.testing.assert_allclose(sources.T @ sources / T, np.eye(3), atol=1e-9)


def test_the_more_likely_of_two_starts_is_rotated():
    _, Y = independent(102)
    poor, good = SOBI(3).fit_transform(Y), FastICA(3, random_state=0).fit_transform(Y)
    for starts in ([poor, good], [good, poor]):
        both, _ = initialise_by_rotation(starts, rotate=True)
        alone, _ = initialise_by_rotation([good], rotate=True)
        np.testing.assert_array_equal(both, alone)


def test_bursts_beside_a_spectrum_bring_sources_nearer_than_either_alone():
    made = simulate("linear", sources="sparse", n_samples=T, seed=101)
    Y = made.recording.values
    starts = [SOBI(3).fit_transform(Y), FastICA(3, random_state=0).fit_transform(Y)]
    turned = matched_correlation(initialise_by_rotation(starts, rotate=True)[0], made.sources).min()
    assert turned > max(matched_correlation(start, made.sources).min() for start in starts)


def test_the_middle_of_a_long_record_stands_for_all_of_it(monkeypatch):
    monkeypatch.setattr(rotation, "SELECTION_SAMPLES", 600)
    monkeypatch.setattr(rotation, "ROTATION_SIZE", 3 * 700)
    truth, Y = independent(106)
    sources, names = initialise_by_rotation([SOBI(3).fit_transform(Y)], rotate=True)
    assert set(names) <= {"ar_student", "gmm_ar"}
    assert sources.shape == (T, 3) and matched_correlation(sources, truth).min() > 0.98


def test_a_rotation_that_is_less_likely_in_the_whole_record_is_not_made(monkeypatch):
    monkeypatch.setattr(rotation, "SELECTION_SAMPLES", 600)
    monkeypatch.setattr(rotation, "ROTATION_SIZE", 3 * 700)
    monkeypatch.setattr(rotation, "most_likely_rotation", lambda priors, sources, noise: np.eye(3)[[1, 2, 0]] @ TURN)
    truth, _ = independent(107)
    unit = (truth - truth.mean(axis=0)) / truth.std(axis=0)
    sources, _ = initialise_by_rotation([unit], rotate=True)
    np.testing.assert_allclose(sources, unit, atol=1e-12)


def test_sources_are_not_rotated_where_they_may_not():
    truth, _ = independent(103)
    unit = (truth - truth.mean(axis=0)) / truth.std(axis=0)
    mixed = unit @ TURN
    sources, _ = initialise_by_rotation([mixed], rotate=False)
    np.testing.assert_allclose(sources, (mixed - mixed.mean(axis=0)) / mixed.std(axis=0), atol=1e-12)


def test_no_small_rotation_is_more_likely_than_the_optimum():
    truth, _ = independent(104)
    unit = ((truth - truth.mean(axis=0)) / truth.std(axis=0)).T
    turn, _ = np.linalg.qr(np.eye(3) + 0.2 * np.random.default_rng(1).standard_normal((3, 3)))
    priors = build_family("ar_student", 3, T).tuned(jnp.asarray(unit), None)
    mixed, noise = turn @ unit, np.zeros_like(unit)
    optimum = most_likely_rotation(priors, mixed, noise)
    np.testing.assert_allclose(optimum @ optimum.T, np.eye(3), atol=1e-9)

    def cost(rotation):
        return -float(priors.log_prob(jnp.asarray(rotation @ mixed), None).sum())

    assert cost(optimum) < cost(np.eye(3)) - 10
    for first, second in ((0, 1), (0, 2), (1, 2)):
        for angle in (-0.01, 0.01):
            little = np.eye(3)
            little[np.ix_([first, second], [first, second])] = Rotation.from_euler("z", angle).as_matrix()[:2, :2]
            assert cost(little @ optimum) > cost(optimum)


def chosen(n_samples=1000, even=True, preset="default", **parameters):
    """The name that is chosen for the prior of every source."""
    choice = prior_choice(configuration(preset, **parameters), n_samples, even=even)
    return choice if isinstance(choice, str) else choice[0].name


def test_priors_are_selected_only_where_the_recording_suffices():
    assert chosen() == "auto"
    assert chosen(999) == chosen(even=False) == "rbf"
    assert chosen(mixing="mlp") == "rbf" and chosen(mixing="post_nonlinear") == "ar_laplace"
    assert chosen(preset="paper") == chosen(init="random") == "rbf"
    assert chosen(prior="ar") == "ar"
    assert chosen(length_scale=0.1) == chosen(jitter=0.1) == "rbf"
    assert chosen(network="convolutional", segment_length=500) == "rbf"
    assert chosen(999, prior="auto") == "auto"


def test_fits_and_restarts_begin_at_the_rotated_sources():
    truth, Y = independent(105)
    quick = {"max_epochs": 5, "tol": 0.0, "n_steps": 2, "network": Dense(width=4), "uncertainty": "monte-carlo"}
    model = estimator(3, n_restarts=2, random_state=0, **quick).fit(Y)
    assert set(model.priors_) <= {"ar_student", "gmm_ar"}
    assert matched_correlation(model.sources_, truth).min() > 0.98
    assert not any(one["kind"] == "alike" for one in model.diagnostics_)
