"""Every metric on problems with known answers, and on changes that must not matter to it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm, ortho_group, spearmanr
from sklearn.metrics import r2_score

from stradiff.assess import (
    amari_distance,
    best_linear_unmixing,
    coverage,
    explained_variance,
    matched_correlation,
    mean_correlation,
    si_sdr,
)
from stradiff.data.simulate import simulate
from stradiff.errors import InputError, OptionError
from stradiff.linear import SOBI, FastICA


def orthogonal_signals(n, T=400, seed=0):
    """Centred columns of variance 1 without any mutual correlation: mixtures then have exact answers."""
    X = np.random.default_rng(seed).standard_normal((T, n))
    return np.linalg.qr(X - X.mean(axis=0))[0] * math.sqrt(T)


# --- correlation and SI-SDR ----------------------------------------------------------------------------


@pytest.mark.parametrize("angle", [0.1, 0.5, math.pi / 4, 1.0])
def test_correlation_and_si_sdr_of_a_source_at_a_known_angle(angle):
    signals = orthogonal_signals(4)
    S = signals[:, :2]
    estimate = math.cos(angle) * S + math.sin(angle) * signals[:, 2:]
    np.testing.assert_allclose(matched_correlation(estimate, S), math.cos(angle), atol=1e-12)
    assert mean_correlation(estimate, S) == pytest.approx(math.cos(angle))
    np.testing.assert_allclose(si_sdr(estimate, S), -20 * math.log10(math.tan(angle)), atol=1e-9)


def test_si_sdr_against_its_formula_in_loops():
    S = orthogonal_signals(2) + 1.0
    estimate = S + 0.5 * np.random.default_rng(1).standard_normal(S.shape)
    for k, value in enumerate(si_sdr(estimate, S)):
        s, s_hat = S[:, k] - S[:, k].mean(), estimate[:, k] - estimate[:, k].mean()
        a = sum(s_hat * s) / sum(s * s)
        assert value == pytest.approx(10 * math.log10(sum((a * s) ** 2) / sum((a * s - s_hat) ** 2)))


def test_spearman_is_that_of_scipy():
    S = orthogonal_signals(2)
    estimate = np.exp(S) + 0.3 * np.random.default_rng(2).standard_normal(S.shape)
    expected = [spearmanr(estimate[:, k], S[:, k]).statistic for k in range(2)]
    np.testing.assert_allclose(matched_correlation(estimate, S, "spearman"), expected)
    assert mean_correlation(estimate, S, "spearman") == pytest.approx(np.mean(expected))


def test_the_best_and_the_worst():
    S = orthogonal_signals(3)
    perfect = si_sdr(S, S)
    assert (perfect > 250).all()  # infinite but for rounding
    broken = np.column_stack([S[:, 0], np.full(len(S), np.nan), np.ones(len(S))])
    np.testing.assert_allclose(np.sort(matched_correlation(broken, S)), [0, 0, 1], atol=1e-12)
    assert np.isneginf(si_sdr(broken, S)[1:]).all()
    assert mean_correlation(broken, S) == pytest.approx(1 / 3)


@pytest.mark.parametrize("metric", [matched_correlation, mean_correlation, si_sdr])
def test_order_sign_scale_and_offset_of_the_estimate_do_not_matter(metric):
    S = orthogonal_signals(3)
    estimate = S + 0.5 * np.random.default_rng(3).standard_normal(S.shape)
    changed = (estimate * [-2.0, 0.1, 30.0] + 5.0)[:, [2, 0, 1]]
    np.testing.assert_allclose(metric(changed, S), metric(estimate, S), rtol=1e-9)


@pytest.mark.parametrize("metric", [matched_correlation, si_sdr])
def test_values_stand_in_the_order_of_the_truth(metric):
    S = orthogonal_signals(3)
    estimate = S + np.array([0.1, 0.3, 0.5]) * np.random.default_rng(3).standard_normal(S.shape)
    values = metric(estimate, S)
    assert (np.diff(values) < 0).all()
    np.testing.assert_allclose(metric(estimate, S[:, [1, 2, 0]]), values[[1, 2, 0]], rtol=1e-9)


# --- Amari ----------------------------------------------------------------------------------------------


def literal_amari(P):
    n = len(P)
    P = np.abs(P)
    total = 0.0
    for i in range(n):
        total += sum(P[i, j] / max(P[i]) for j in range(n)) - 1
        total += sum(P[j, i] / max(P[:, i]) for j in range(n)) - 1
    return total / (2 * n * (n - 1))


@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 3), (3, 5)])
def test_amari_of_known_products(n, m):
    rng = np.random.default_rng(n)
    A = rng.standard_normal((m, n))
    scaled_permutation = np.diag([-2.0, 0.5, 3.0][:n])[::-1]
    assert amari_distance(scaled_permutation @ np.linalg.pinv(A), A) == pytest.approx(0, abs=1e-12)
    assert amari_distance(np.ones((n, n)) @ np.linalg.pinv(A), A) == pytest.approx(1)
    W = rng.standard_normal((n, m))
    assert amari_distance(W, A) == pytest.approx(literal_amari(W @ A))


def test_amari_of_lost_sources():
    assert amari_distance(np.diag([1.0, 0.0]), np.eye(2)) == pytest.approx(0.5)
    assert amari_distance(np.zeros((2, 2)), np.eye(2)) == 1
    assert amari_distance(np.ones((1, 3)), np.ones((3, 1))) == 0
    assert amari_distance(np.zeros((1, 3)), np.ones((3, 1))) == 1


# --- reconstruction and coverage -------------------------------------------------------------------------


def test_explained_variance_is_r_squared_averaged_over_channels():
    rng = np.random.default_rng(5)
    Y = rng.standard_normal((300, 3)) * [1.0, 1e3, 1e-3] + 7
    Y_hat = Y + 0.5 * Y.std(axis=0) * rng.standard_normal(Y.shape)
    np.testing.assert_allclose(
        explained_variance(Y, Y_hat, per_channel=True), r2_score(Y, Y_hat, multioutput="raw_values")
    )
    assert explained_variance(Y, Y_hat) == pytest.approx(r2_score(Y, Y_hat))
    assert explained_variance(Y, Y) == 1
    assert explained_variance(Y, np.tile(Y.mean(axis=0), (300, 1))) == pytest.approx(0)
    units = np.array([1e6, 1, -3])
    assert explained_variance(Y * units, Y_hat * units) == pytest.approx(explained_variance(Y, Y_hat))


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_coverage_of_bands_of_known_width(level, factor):
    T = 40_000
    rng = np.random.default_rng(6)
    mean, error = rng.standard_normal((2, T, 2))
    sd = np.array([0.1, 0.5])
    truth = mean + sd * error
    band = factor * sd * np.ones_like(mean)
    expected = 2 * norm.cdf(factor * norm.ppf((1 + level) / 2)) - 1
    tolerance = 5 * math.sqrt(expected * (1 - expected) / T)
    # Order, sign, scale and offset of the estimate are not its fault.
    share = coverage((mean * [-3.0, 0.2] + 4)[:, ::-1], (band * [3.0, 0.2])[:, ::-1], truth, level)
    np.testing.assert_allclose(share, expected, atol=tolerance)


def test_coverage_without_an_estimate_is_zero():
    S = orthogonal_signals(2)
    mean, sd = S.copy(), np.full_like(S, 10.0)
    mean[:, 1], sd[:, 1] = np.nan, np.nan
    np.testing.assert_array_equal(coverage(mean, sd, S), [1, 0])
    np.testing.assert_array_equal(coverage(S[:, :1], sd[:, :1], S), [1, 0])


# --- the linear oracle -------------------------------------------------------------------------------------


def test_best_linear_unmixing_undoes_linear_mixing():
    simulation = simulate("linear", n_channels=5, seed=7)
    np.testing.assert_allclose(
        best_linear_unmixing(simulation.recording.values, simulation.sources), simulation.sources, atol=1e-9
    )


@pytest.mark.parametrize("kind", ["linear", "leaky_relu", "tanh", "post_nonlinear"])
@pytest.mark.parametrize("method", [SOBI(), FastICA(random_state=0)])
def test_no_linear_method_beats_the_oracle(kind, method):
    simulation = simulate(kind, noise=0.1, seed=8)
    Y, S = simulation.recording.values, simulation.sources
    oracle = matched_correlation(best_linear_unmixing(Y, S), S)
    assert (matched_correlation(method.fit_transform(Y), S) <= oracle + 1e-12).all()


def test_best_linear_unmixing_does_not_depend_on_units_offsets_or_rotation():
    simulation = simulate("tanh", noise=0.1, seed=9)
    Y, S = simulation.recording.values, simulation.sources
    changed = (Y * [1e-7, 1.0, 1e5]) @ np.diag([1, -1, 1]) + 50.0
    rotated = Y @ ortho_group.rvs(3, random_state=9)
    expected = best_linear_unmixing(Y, S)
    np.testing.assert_allclose(best_linear_unmixing(changed, S), expected, atol=1e-5)
    np.testing.assert_allclose(best_linear_unmixing(rotated, S), expected, atol=1e-9)


def test_best_linear_unmixing_with_a_dead_and_a_repeated_channel():
    simulation = simulate("tanh", noise=0.1, seed=10)
    Y, S = simulation.recording.values, simulation.sources
    more = np.column_stack([Y, Y[:, 0], np.ones(len(Y))])
    np.testing.assert_allclose(best_linear_unmixing(more, S), best_linear_unmixing(Y, S), atol=1e-9)


# --- refusals --------------------------------------------------------------------------------------------

S = orthogonal_signals(2)
BROKEN = np.where(np.arange(2) == 1, np.nan, S)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: matched_correlation(S, S, "kendall"), OptionError),
        (lambda: matched_correlation(S, S[1:]), InputError),
        (lambda: si_sdr(S, BROKEN), InputError),
        (lambda: amari_distance(np.eye(2), np.eye(3)), InputError),
        (lambda: amari_distance(np.ones(2), np.ones(2)), InputError),
        (lambda: amari_distance(np.full((2, 2), np.nan), np.eye(2)), InputError),
        (lambda: explained_variance(S, BROKEN), InputError),
        (lambda: explained_variance(S, S[:, :1]), InputError),
        (lambda: explained_variance(np.ones_like(S), S), InputError),
        (lambda: coverage(S, S**2, S, 1.0), OptionError),
        (lambda: coverage(S, -np.ones_like(S), S), InputError),
        (lambda: coverage(S, np.ones_like(S)[:, :1], S), InputError),
        (lambda: best_linear_unmixing(BROKEN, S), InputError),
        (lambda: best_linear_unmixing(S[1:], S), InputError),
    ],
)
def test_meaningless_calls_are_refused(call, error):
    with pytest.raises(error):
        call()
