"""The expected cross-talk against simulated Gaussian sources of known spectra."""

from __future__ import annotations

import numpy as np
import pytest

from stradiff.posterior.cross_talk import expected_cross_talk

T, DRAWS = 512, 600
OMEGA = 2 * np.pi * np.arange(T) / T
FLAT = np.full(T, 1 / T)


def autoregressive(*poles):
    """Unit-power spectra of s_t = p s_(t-1) + noise on a ring of T samples."""
    return np.array([(1 - p**2) / np.abs(1 - p * np.exp(-1j * OMEGA)) ** 2 for p in poles])


def simulated(spectrum, rng):
    white = np.fft.fft(rng.standard_normal((DRAWS, T)), axis=1) / np.sqrt(T)
    return np.sqrt(spectrum) * white


def test_a_maximum_likelihood_step_has_the_expected_variance():
    spectra, rng = autoregressive(0.9, 0.2), np.random.default_rng(100)
    first, second = (simulated(spectrum, rng) for spectrum in spectra)
    cross = (first * second.conj()).real
    slope = np.stack([(cross / spectra[0]).sum(axis=1), (cross / spectra[1]).sum(axis=1)])  # at the truth
    a, b = (spectra[1] / spectra[0]).mean(), (spectra[0] / spectra[1]).mean()
    step = np.linalg.solve(T * np.array([[a, 1.0], [1.0, b]]), slope)
    expected = expected_cross_talk(spectra, FLAT, T)
    error = 4 * np.sqrt(2 / DRAWS)  # four standard errors of a variance
    np.testing.assert_allclose(step.var(axis=1), [expected[0, 1], expected[1, 0]], rtol=error)


def test_spectra_of_one_shape_identify_nothing():
    cross_talk = expected_cross_talk(np.stack([FLAT, 5 * FLAT]), FLAT, 10_000)
    np.testing.assert_allclose(cross_talk, [[0, 0.5], [0.5, 0]], atol=1e-4)


def test_amplitudes_identify_sources_of_one_spectrum():
    spectra, n_samples = np.stack([FLAT, FLAT]), 10_000
    inverse_information = spectra * np.array([[0.5], [0.8]])  # one over the Fisher information
    cross_talk = expected_cross_talk(spectra, FLAT, n_samples, inverse_information=inverse_information)
    expected = np.linalg.inv(n_samples * np.array([[2.0, 1.0], [1.0, 1.25]]))
    np.testing.assert_allclose([cross_talk[0, 1], cross_talk[1, 0]], np.diag(expected), rtol=1e-3)
    one_gaussian = spectra * np.array([[0.5], [1.0]])  # one non-Gaussian source is enough
    assert expected_cross_talk(spectra, FLAT, n_samples, inverse_information=one_gaussian).max() < 2.1 / n_samples
    np.testing.assert_array_equal(
        expected_cross_talk(spectra, FLAT, 100, 0.1), expected_cross_talk(spectra, FLAT, 100, 0.1, spectra)
    )


def test_it_falls_with_the_length_of_the_record_and_with_the_distance_of_the_spectra():
    near, far = autoregressive(0.8, 0.7), autoregressive(0.8, -0.8)
    assert expected_cross_talk(far, FLAT, T).max() < expected_cross_talk(near, FLAT, T).max()
    long, longer = (expected_cross_talk(near, FLAT, n)[0, 1] for n in (10_000, 40_000))
    assert longer == pytest.approx(long / 4, rel=0.01)


@pytest.mark.parametrize("floor", [0.1, np.array([0.1, 0.2, 0.3])])
def test_noise_hides_empty_frequencies(floor):
    smooth = np.exp(-0.5 * (np.array([[50.0], [15.0], [5.0]]) * np.minimum(OMEGA, 2 * np.pi - OMEGA)) ** 2)
    bare, noisy = expected_cross_talk(smooth, FLAT, T), expected_cross_talk(smooth, FLAT, T, floor)
    assert np.isfinite(bare).all() and (bare >= 0).all() and (noisy <= 1).all()
    into_smoother = np.triu_indices(3, 1)  # the smooth source has no power where the rough one has some
    assert (noisy[into_smoother] > 1e6 * bare[into_smoother]).all()


def test_order_and_units_of_the_sources_do_not_matter():
    spectra = autoregressive(0.9, 0.5, -0.3)
    cross_talk = expected_cross_talk(spectra, FLAT, T, noise=0.01)
    np.testing.assert_allclose(expected_cross_talk(7 * spectra, FLAT, T, noise=0.01), cross_talk)
    order = [2, 0, 1]
    np.testing.assert_allclose(expected_cross_talk(spectra[order], FLAT, T, 0.01), cross_talk[np.ix_(order, order)])
