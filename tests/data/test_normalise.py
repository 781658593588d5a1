"""The normaliser does what its mode says, comes back exactly, and does not care about units or order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stradiff.data import fit_normaliser
from stradiff.errors import InputError, OptionError

MODES = ("centre", "standardise", "whiten")
every_mode = pytest.mark.parametrize("mode", MODES)


def recording(seed=0, n_samples=300, n_channels=4):
    rng = np.random.default_rng(seed)
    sources = rng.laplace(size=(n_samples, n_channels))
    return sources @ rng.standard_normal((n_channels, n_channels)) + 5 * rng.standard_normal(n_channels)


@every_mode
def test_moments(mode):
    Y = recording()
    covariance = np.cov(fit_normaliser(Y, mode).forward(Y), rowvar=False, ddof=0)
    wanted = {
        "centre": np.cov(Y, rowvar=False, ddof=0),
        "standardise": np.corrcoef(Y, rowvar=False),
        "whiten": np.eye(4),
    }
    np.testing.assert_allclose(covariance, wanted[mode], atol=1e-12)
    np.testing.assert_allclose(fit_normaliser(Y, mode).forward(Y).mean(axis=0), 0, atol=1e-12)


@every_mode
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_there_and_back(mode, dtype, offset):
    Y = (recording() * [1e-3, 1.0, 1e3, 1e6] + offset * np.array([1e-3, 1.0, 1e3, 1e6])).astype(dtype)
    normaliser = fit_normaliser(Y, mode)
    there = normaliser.forward(Y)
    back = normaliser.inverse(there)
    assert there.dtype == back.dtype == dtype
    size = np.abs(Y).max(axis=0)
    condition = np.linalg.cond(np.corrcoef(Y, rowvar=False)) ** 0.5 if mode == "whiten" else 1.0
    assert np.all(np.abs(back - Y) <= 8 * condition * np.finfo(dtype).eps * size)


@every_mode
def test_matrices_are_inverse(mode):
    normaliser = fit_normaliser(recording(), mode)
    np.testing.assert_allclose(normaliser.matrix @ normaliser.inverse_matrix, np.eye(4), atol=1e-12)


@every_mode
@given(seed=st.integers(0, 1000), order=st.permutations(range(4)))
def test_permuted_channels(mode, seed, order):
    Y = recording(seed)
    plain, permuted = (fit_normaliser(X, mode).forward(X) for X in (Y, Y[:, order]))
    expected = plain if mode == "whiten" else plain[:, order]  # whitened signals do not belong to channels
    np.testing.assert_allclose(permuted, expected, atol=1e-8)


@pytest.mark.parametrize("mode", ["standardise", "whiten"])
@given(seed=st.integers(0, 1000), exponents=st.lists(st.integers(-60, 60), min_size=4, max_size=4))
def test_rescaled_and_shifted_channels(mode, seed, exponents):
    Y = recording(seed)
    scaled = (Y + 3.0) * 10.0 ** np.array(exponents)
    normalised = fit_normaliser(Y, mode).forward(Y)
    np.testing.assert_allclose(fit_normaliser(scaled, mode).forward(scaled), normalised, atol=1e-8)


def test_centre_and_standardise_follow_a_rescaling():
    Y, scale = recording(), np.array([2.0, -3.0, 0.5, 1.0])
    centred = fit_normaliser(Y).forward(Y)
    np.testing.assert_allclose(fit_normaliser(Y * scale).forward(Y * scale), centred * scale, atol=1e-12)
    standardised = fit_normaliser(Y, "standardise").forward(Y)
    flipped = fit_normaliser(Y * scale, "standardise").forward(Y * scale)
    np.testing.assert_allclose(flipped, standardised * np.sign(scale), atol=1e-12)


def test_a_mixing_returns_to_the_units_of_the_recording():
    Y = recording()
    normaliser = fit_normaliser(Y, "whiten")
    whitened = normaliser.forward(Y)
    A = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))[0]
    S = whitened @ A  # whitened = S @ A.T
    np.testing.assert_allclose(S @ (normaliser.inverse_matrix.T @ A).T + normaliser.mean, Y, atol=1e-10)


def test_fewer_whitened_signals_are_the_best_approximation():
    Y = recording()
    normaliser = fit_normaliser(Y, "whiten", 2)
    assert normaliser.forward(Y).shape == (300, 2)
    scale = Y.std(axis=0)
    left = np.linalg.norm((normaliser.inverse(normaliser.forward(Y)) - Y) / scale)
    singular = np.linalg.svd((Y - Y.mean(axis=0)) / scale, compute_uv=False)
    np.testing.assert_allclose(left, np.linalg.norm(singular[2:]))


def test_leading_axes_pass_through():
    normaliser = fit_normaliser(recording(), "whiten")
    draws = np.random.default_rng(0).standard_normal((5, 10, 4))
    np.testing.assert_allclose(normaliser.inverse(draws)[3], normaliser.inverse(draws[3]), rtol=1e-12)


def test_low_rank_cannot_be_whitened_to_all():
    Y = recording()
    Y[:, 3] = Y[:, 0] + Y[:, 1]
    with pytest.raises(InputError, match=r"only 3 independent signals .* leave out repeated channels"):
        fit_normaliser(Y, "whiten")
    whitened = fit_normaliser(Y, "whiten", 3).forward(Y)
    np.testing.assert_allclose(np.cov(whitened, rowvar=False, ddof=0), np.eye(3), atol=1e-8)


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"mode": "zca"}, "mode='zca' does not exist; choose one of centre, standardise, whiten"),
        ({"mode": "centre", "n_components": 2}, "needs mode='whiten'"),
        ({"mode": "whiten", "n_components": 5}, "n_components=5 .* channels, 4"),
        ({"mode": "whiten", "n_components": 0}, "n_components=0"),
    ],
)
def test_wrong_options(settings, part):
    with pytest.raises(OptionError, match=part):
        fit_normaliser(recording(), **settings)


def test_wrong_shapes_and_values():
    with pytest.raises(InputError, match="constant"):
        fit_normaliser(np.ones((5, 2)))
    normaliser = fit_normaliser(recording(), "whiten", 2)
    with pytest.raises(InputError, match=r"\(10, 3\) .* must hold 4 channels"):
        normaliser.forward(np.ones((10, 3)))
    with pytest.raises(InputError, match="must hold 2 normalised channels"):
        normaliser.inverse(np.ones((10, 4)))
