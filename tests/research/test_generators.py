"""Published generators: their statistics are those of the papers, their recordings what the benchmark expects."""

from __future__ import annotations

import numpy as np
import pytest
from generators import PAPERS, generate, mixings, problem, sources
from scipy.stats import kurtosis

LAPLACE = 3.0  # excess kurtosis


def rng(seed=0):
    return np.random.default_rng(seed)


def by_segment(S, n_segments):
    return S.reshape(n_segments, -1, S.shape[1])


def lag_regression(s, lags):
    """Coefficients of a least-squares regression on ``lags`` delays, and what is left."""
    past = np.column_stack([s[lags - lag : -lag] for lag in range(1, lags + 1)] + [np.ones(len(s) - lags)])
    coefficients = np.linalg.lstsq(past, s[lags:], rcond=None)[0]
    return coefficients, s[lags:] - past @ coefficients


# --- sources -------------------------------------------------------------------------------------------------


def test_tcl_is_laplace_noise_with_a_deviation_by_segment():
    S = by_segment(sources.tcl(rng(), 100_000, 4, n_segments=50), 50)
    deviation = S.std(axis=1)
    assert deviation.max() < 1.1 and deviation.mean() == pytest.approx(0.5, abs=0.1)
    assert deviation.std() == pytest.approx(12**-0.5, rel=0.15), "not uniform on (0, 1)"
    assert kurtosis((S / deviation[:, None]).reshape(-1, 4)) == pytest.approx(LAPLACE, rel=0.15)


@pytest.mark.parametrize(("law", "expected"), [("gauss", 0.0), ("laplace", LAPLACE)])
def test_ivae_changes_deviation_and_mean_by_segment(law, expected):
    S = by_segment(sources.ivae(rng(), 100_000, 4, n_segments=50, mean=5.0, law=law), 50)
    deviation, centre = S.std(axis=1), S.mean(axis=1)
    assert 0.4 < deviation.min() < deviation.max() < 3.3
    assert deviation.mean() == pytest.approx(1.75, abs=0.15)
    assert np.abs(centre).max() < 5.2 and centre.std() == pytest.approx(10 / 12**0.5, rel=0.15)
    assert kurtosis(((S - centre[:, None]) / deviation[:, None]).reshape(-1, 4)) == pytest.approx(expected, abs=0.4)


def test_ivae_has_no_means_unless_asked():
    S = by_segment(sources.ivae(rng(), 100_000, 4, n_segments=50), 50)
    assert np.abs(S.mean(axis=1)).max() < 5 * 3 / 2000**0.5


def test_pcl_has_equal_spectra_and_laplace_innovations():
    S = sources.pcl(rng(), 50_000, 4)
    for s in S.T:
        (coefficient, _), innovations = lag_regression(s, 1)
        assert coefficient == pytest.approx(0.7, abs=0.02)
        assert kurtosis(innovations) == pytest.approx(LAPLACE, rel=0.15)
        assert innovations.std() == pytest.approx(2**0.5, rel=0.03)


def test_iia_modulates_the_innovations_of_autoregressive_sources():
    S = sources.iia(rng(), 40_000, 3, n_frequencies=1)
    for s in S.T:
        level = np.convolve(s, np.ones(500) / 500, "same")
        coefficient = lag_regression(s - level, 1)[0][0]
        assert 0.25 < coefficient < 0.95
        innovations = (s[1:] - coefficient * s[:-1])[:39_500].reshape(-1, 500)
        precision = innovations.var(axis=1)
        # exp(-a) runs from exp(-2) to exp(2), halved
        assert np.log(precision.max() / precision.min()) == pytest.approx(4, abs=0.6)
        assert np.abs(innovations.mean(axis=1)).max() < 1.3, "means are from -1 to 1"


def test_a_random_series_has_its_range_and_its_frequencies():
    a = sources.modulation(rng(), 1000, 2, 5, 2.0)
    np.testing.assert_allclose([a.min(axis=0), a.max(axis=0)], [[-2] * 2, [2] * 2])
    power = np.abs(np.fft.rfft(a - a.mean(axis=0), axis=0)) ** 2
    assert power[6:].sum() < 1e-12 * power.sum()


def test_a_chain_stays_and_moves_as_its_matrix_says():
    state = sources.markov_chain(rng(), 100_000, sources.cycle(5, 0.9))
    step = np.diff(state) % 5
    assert np.mean(step == 0) == pytest.approx(0.9, abs=0.005)
    assert set(step) == {0, 1}
    np.testing.assert_allclose(np.bincount(state) / len(state), 0.2, atol=0.02)


def test_hm_nlica_has_the_mean_and_variance_of_a_state():
    n = 3
    means = sources.on_sphere(2 * n + 1, n, 2.0)
    np.testing.assert_allclose(np.linalg.norm(means, axis=1), 2.0)
    S = sources.hm_nlica(rng(), 70_000, n)
    nearest = np.linalg.norm(S[:, None] - means, axis=2).argmin(axis=1)
    for k, mean in enumerate(means):
        found = S[nearest == k]
        assert 0.08 < len(found) / len(S) < 0.22
        np.testing.assert_allclose(found.mean(axis=0), mean, atol=0.25)
    moves = np.mean(nearest[1:] != nearest[:-1])
    assert 0.01 < moves < 0.2, "states do not last"


@pytest.mark.parametrize("seed", range(6))
def test_snica_oscillates_or_returns_to_a_level(seed):
    s = sources.snica(rng(seed), 50_000, 1, stay=1.0)[:, 0]
    (first, second, constant), innovations = lag_regression(s, 2)
    momentum, reversion = -second, 1 - second - first
    if momentum > 0.4:
        assert 0.58 < momentum < 0.82 and reversion == pytest.approx(0.1, abs=0.02)
        assert 0.099 < innovations.std() < 0.202 and abs(constant / reversion) < 1.05
    else:
        assert momentum == pytest.approx(0.1, abs=0.02) and 0.68 < reversion < 0.92
        assert innovations.std() == pytest.approx(0.2, rel=0.02) and abs(constant / reversion) < 3.05


def test_leap_follows_its_recursion_with_three_scales():
    S = sources.leap(rng(), 30_000, 8)
    generator = rng()
    B = generator.uniform(-1, 1, (2, 8, 8))
    B /= np.linalg.norm(B, axis=1, keepdims=True)
    before_relu = np.where(S > 0, S, S / 0.2)
    innovations = before_relu[2:] - np.tanh(S[1:-1] @ B[0]) - np.tanh(S[:-2] @ B[1])
    scale = np.abs(by_segment(np.vstack([innovations[:2], innovations]), 3)).mean(axis=(1, 2))
    np.testing.assert_allclose(scale, [0.05, 0.1, 0.15], rtol=0.02)
    assert kurtosis(innovations[:9000], axis=None) == pytest.approx(LAPLACE, rel=0.2)
    assert np.abs(np.corrcoef(S.T) - np.eye(8)).max() > 0.1, "the variables do not drive one another"


def test_tp_nica_has_squared_exponential_kernels():
    S = sources.tp_nica(rng(), 200_000, 2, n_recordings=1000, freedom=None)
    recordings = S.reshape(1000, 200, 2)
    scales = rng().uniform(25, 100, 2)
    for k, scale in enumerate(scales):
        one = recordings[:, :, k]
        lag = round(scale)
        correlation = (one[:, :-lag] * one[:, lag:]).mean() / (one**2).mean()
        assert correlation == pytest.approx(np.exp(-0.5), abs=0.05)
    assert kurtosis(S[::200]) == pytest.approx(0.0, abs=0.6)


def test_tp_nica_has_heavier_tails_over_recordings_than_within():
    S = sources.tp_nica(rng(1), 100_000, 3, n_recordings=2000, freedom=(2.5, 4.0))
    assert kurtosis(S[::50]).min() > 1.5


# --- mixings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m"), [(3, 3), (5, 5), (3, 12)])
def test_a_matrix_has_outputs_of_norm_one_and_a_good_condition(n, m):
    limit = mixings.quartile_of_condition(n, m)
    conditions = [np.linalg.cond(mixings._uniform(rng(k), 1, n, m)[0]) for k in range(2000)]
    assert np.mean(np.array(conditions) < limit) == pytest.approx(0.25, abs=0.05)
    matrix = mixings.uniform_matrix(rng(), n, m)
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1.0)
    assert matrix.shape == (m, n) and np.linalg.cond(matrix) <= limit


def test_a_network_of_one_layer_is_a_matrix():
    mixing = mixings.network(rng(), [3, 4])
    S = rng(1).standard_normal((50, 3))
    np.testing.assert_allclose(mixing(S), S @ mixing.matrix.T)


def test_biases_move_the_kink():
    S = rng(1).standard_normal((50, 3))
    mixing = mixings.network(rng(), [3, 3, 3], bias=1.0)
    x = S @ mixing.matrix.T - mixing.nonlinearities[0].centre
    assert (-mixing.nonlinearities[0].centre > 0).all()
    np.testing.assert_allclose(mixing(S), np.where(x > 0, x, 0.2 * x) @ mixing.matrices[1].T)


def test_layers_of_one_shape_may_share_a_matrix():
    first, second, third = mixings.network(rng(), [3, 4, 4, 4], repeated=True).matrices
    np.testing.assert_array_equal(second, third)
    assert first.shape == (4, 3)
    one, other = mixings.network(rng(), [4, 4, 4]).matrices
    assert not np.allclose(one, other)


def test_the_mixing_of_leap_bends_before_each_orthogonal_matrix():
    mixing = mixings.orthogonal_network(rng(), 4, 2)
    S = rng(1).standard_normal((50, 4))
    x = S
    for matrix in mixing.matrices[1:]:
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(4), atol=1e-12)
        x = np.where(x > 0, x, 0.2 * x) @ matrix.T
    np.testing.assert_allclose(mixing(S), x)


# --- recordings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("law", PAPERS)
def test_a_recording_is_what_its_problem_promises(law, layers):
    promised = problem(law, layers=layers)
    example = promised.draw(100)
    assert example.sources.shape == (1000, promised.n_sources)
    assert example.observed.shape == example.noise_free.shape == (1000, promised.n_channels)
    np.testing.assert_allclose(example.sources.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(example.sources.std(axis=0), 1)
    share = ((example.observed - example.noise_free).var(axis=0) / example.noise_free.var(axis=0)).mean()
    assert share == pytest.approx(PAPERS[law].noise, rel=0.1)
    assert (example.matrix is None) == (layers > 1)
    if layers == 1:
        np.testing.assert_allclose(example.noise_free, example.sources @ example.matrix.T, atol=1e-9)
        assert promised.map == "linear"
    else:
        known = np.column_stack([example.sources, np.ones(1000)])
        left = np.linalg.lstsq(known, example.noise_free, rcond=None)[1] / (example.noise_free**2).sum(axis=0)
        assert left.max() > 0.01, "nothing is nonlinear"
        assert promised.map == "mlp"


@pytest.mark.parametrize("law", PAPERS)
def test_a_seed_gives_one_recording(law):
    np.testing.assert_array_equal(generate(law, 100).observed, generate(law, 100).observed)
    assert not np.allclose(generate(law, 100).observed, generate(law, 101).observed)


def test_settings_and_noise_reach_the_recording():
    quiet, loud = (generate("ivae", 100, noise=share, n_samples=5000) for share in (0.0, 0.15))
    np.testing.assert_array_equal(quiet.observed, loud.noise_free)
    noise = (loud.observed - loud.noise_free).var(axis=0)
    np.testing.assert_allclose(noise / loud.noise_free.var(axis=0), 0.15, rtol=0.1)
    assert not np.allclose(generate("ivae", 100, mean=5.0).observed, generate("ivae", 100).observed)
    text = problem("ivae", noise=0.05, n_segments=40).description
    assert "noise 5% of variance (SNR 13.0 dB)" in text and "n segments 40" in text
