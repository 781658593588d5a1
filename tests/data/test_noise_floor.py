"""The noise floor finds white noise, leaves smooth sources alone, and holds whitening back no further than that."""

from __future__ import annotations

import numpy as np
import pytest
from short import configuration

from stradiff import simulate
from stradiff.data import fit_normaliser
from stradiff.data.noise_floor import noise_floor
from stradiff.prepare import Recordings


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("n_channels", [3, 5, 8])
def test_finds_white_noise(noise, n_channels):
    shares = []
    for seed in range(5):
        Y = simulate("linear", sources="gp", n_channels=n_channels, noise=noise, seed=seed).recording.values
        shares.append(noise_floor(Y) / (noise**2 / (1 + noise**2)))
    assert 0.6 < np.median(shares) < 1.3


def test_finds_none_where_there_is_none():
    Y = simulate("linear", sources="gp", seed=0).recording.values
    assert noise_floor(Y) < 1e-12


def test_does_not_care_for_units():
    Y = simulate("linear", noise=0.1, seed=0).recording.values
    assert noise_floor(Y * [1e-6, 1.0, 1e6] + 1e3) == pytest.approx(noise_floor(Y), rel=1e-6)


@pytest.mark.parametrize("n_samples", [2, 3, 5])
def test_says_nothing_of_records_too_short(n_samples):
    assert noise_floor(np.random.default_rng(0).standard_normal((n_samples, 3))) == 0.0


def test_whitening_goes_as_far_as_the_floor():
    Y = simulate("linear", condition_number=30.0, seed=0).recording.values
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(Y, rowvar=False))[::-1]
    floor = float(eigenvalues[1:].mean())
    normaliser = fit_normaliser(Y, "whiten", floor=floor)
    np.testing.assert_allclose(normaliser.forward(Y).var(axis=0), np.minimum(1.0, eigenvalues / floor), rtol=1e-9)
    np.testing.assert_allclose(normaliser.inverse(normaliser.forward(Y)), Y, atol=1e-9)


@pytest.mark.parametrize("mixing", ["linear", "mlp"])
def test_weak_directions_stay_weak_in_a_noisy_recording_alone(mixing):
    """What the estimator does by default: white without noise; with noise, no direction above its own variance."""
    variances = []
    for noise in (0.0, 0.3):
        Y = simulate("linear", n_samples=400, sources="gp", noise=noise, seed=0).recording.values
        normaliser = Recordings((Y,)).normaliser(configuration("default", n_sources=3, mixing=mixing))
        variances.append(normaliser.forward(Y).var(axis=0))
    np.testing.assert_allclose(variances[0], 1.0, rtol=1e-6)
    assert variances[1].min() < 0.7
