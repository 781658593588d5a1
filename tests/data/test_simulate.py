"""Simulated recordings: formulas, covariances, condition numbers, invertibility, noise and seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kstest, kurtosis
from scipy.stats import t as student_t

from stradiff.data.mixings import (
    Nonlinearity,
    SimulatedMixing,
    random_linear,
    random_network,
    random_post_nonlinear,
)
from stradiff.data.simulate import simulate
from stradiff.data.sources import (
    _kernel_spectrum,
    ar_sources,
    artificial_sources,
    gp_sources,
    modulated_sources,
    multimodal_sources,
    sparse_sources,
)
from stradiff.errors import InputError, OptionError

KINDS = ("linear", "leaky_relu", "tanh", "post_nonlinear")
SOURCES = ("artificial", "gp", "ar", "am", "sparse", "multimodal")


def assert_standardised(S):
    np.testing.assert_allclose(S.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(S.std(axis=0), 1, atol=1e-12)


# --- sources ------------------------------------------------------------------------------------------


def formulas(i, T):
    """The docstring's formulas at sample ``i``, one number at a time."""
    t = i / (T - 1)
    pi = math.pi
    return (
        (1 + 0.4 * math.cos(2 * pi * t)) * math.sin(2 * pi * 3 * t + 0.6 * math.sin(2 * pi * t)),
        math.tanh(1.5 * math.sin(2 * pi * 11 * t + 0.8 * math.sin(2 * pi * 2 * t))),
        math.exp(math.cos(2 * pi * 5 * t)) * math.sin(2 * pi * 40 * t + 3 * math.sin(2 * pi * 3 * t)),
    )


def test_artificial_sources_follow_their_formulas():
    raw = np.array([formulas(i, 300) for i in range(300)])
    np.testing.assert_allclose(artificial_sources(300), (raw - raw.mean(0)) / raw.std(0), atol=1e-11)


@pytest.mark.parametrize("T", [150, 1000, 10_000])
def test_artificial_sources_differ_and_do_not_correlate(T):
    S = artificial_sources(T)
    assert_standardised(S)
    assert np.abs(np.corrcoef(S.T) - np.eye(3)).max() < 0.05
    tails = np.sort(kurtosis(S))
    assert np.diff(tails).min() > 0.5


def test_artificial_sources_occupy_separate_bands():
    power = np.abs(np.fft.rfft(artificial_sources(1000), axis=0)) ** 2
    bands = [slice(0, 7), slice(7, 22), slice(22, 70)]  # cycles per recording
    for k, band in enumerate(bands):
        assert power[band, k].sum() > 0.95 * power[:, k].sum()


CORRELATIONS = {
    "rbf": lambda r: np.exp(-(r**2) / 2),
    "matern12": lambda r: np.exp(-r),
    "matern32": lambda r: (1 + 3**0.5 * r) * np.exp(-(3**0.5) * r),
    "matern52": lambda r: (1 + 5**0.5 * r + 5 * r**2 / 3) * np.exp(-(5**0.5) * r),
}


@pytest.mark.parametrize("kernel", CORRELATIONS)
def test_gp_sources_have_the_autocorrelation_of_their_kernel(kernel):
    T, scale = 200_000, 5.0
    s = gp_sources(T, [scale], kernel, seed=3)[:, 0]
    far = np.arange(-200, 201)
    rho = CORRELATIONS[kernel](np.abs(far) / scale)
    for lag in range(1, 25):
        expected = CORRELATIONS[kernel](np.array(lag / scale))
        # Bartlett: the variance of a sample autocorrelation of a Gaussian process.
        ahead, behind = (CORRELATIONS[kernel](np.abs(far + d) / scale) for d in (lag, -lag))
        terms = rho**2 + ahead * behind - 4 * expected * rho * behind + 2 * rho**2 * expected**2
        assert abs(s[lag:] @ s[:-lag] / T - expected) < 5 * math.sqrt(terms.sum() / T)


@pytest.mark.parametrize("kernel", CORRELATIONS)
@pytest.mark.parametrize("scale", [0.5, 10.0, 100.0])
def test_the_ring_is_long_enough(kernel, scale):
    """Over the recording the ring's covariance is the kernel's, although negative powers are set to 0."""
    realised = np.fft.irfft(_kernel_spectrum(kernel, scale, n_samples=100))[:100]
    np.testing.assert_allclose(realised, CORRELATIONS[kernel](np.arange(100) / scale), atol=1e-8)


@pytest.mark.parametrize(("frequency", "damping"), [(0.01, 0.97), (0.15, 0.9), (0.3, 0.0), (0.05, 0.999)])
def test_ar_sources_leave_white_innovations(frequency, damping):
    T = 50_000
    s = ar_sources(T, [frequency], damping, seed=4)[:, 0]
    e = s[2:] - 2 * damping * math.cos(2 * math.pi * frequency) * s[1:-1] + damping**2 * s[:-2]
    correlations = [np.corrcoef(e[lag:], e[:-lag])[0, 1] for lag in range(1, 21)]
    assert np.abs(correlations).max() < 5 / math.sqrt(T)


def test_modulated_sources_have_the_kurtosis_of_a_log_normal_amplitude():
    """3 exp(4 depth^2), within the empirical standard error of 40 records."""
    depth = 0.3
    tails = [kurtosis(modulated_sources(20_000, [0.1], depth, seed=k)[:, 0], fisher=False) for k in range(40)]
    assert abs(np.mean(tails) - 3 * math.exp(4 * depth**2)) < 5 * np.std(tails) / math.sqrt(40)


def test_without_depth_nothing_is_modulated():
    rng = np.random.default_rng(1)
    np.testing.assert_allclose(modulated_sources(500, depth=0.0, seed=1), ar_sources(500, (0.02, 0.06, 0.15), seed=rng))


@pytest.mark.parametrize(("frequency", "damping"), [(0.05, 0.8), (0.3, 0.0)])
def test_sparse_sources_leave_white_heavy_tailed_innovations(frequency, damping):
    T = 50_000
    s = sparse_sources(T, [frequency], damping, freedom=6.0, seed=4)[:, 0]
    e = s[2:] - 2 * damping * math.cos(2 * math.pi * frequency) * s[1:-1] + damping**2 * s[:-2]
    correlations = [np.corrcoef(e[lag:], e[:-lag])[0, 1] for lag in range(1, 21)]
    assert np.abs(correlations).max() < 5 / math.sqrt(T)
    rank = student_t(6.0).cdf(e / e.std() * math.sqrt(6.0 / 4.0))  # uniform, if they are Student's
    assert kstest(rank, "uniform").pvalue > 1e-3


def test_multimodal_sources_have_their_modes_and_their_memory():
    S = multimodal_sources(100_000, seed=5)
    for s, modes in zip(S.T, (2, 3, 2), strict=True):
        density, _ = np.histogram(s, bins=np.linspace(-2.5, 2.5, 41))
        peaks = (density[1:-1] > density[:-2]) & (density[1:-1] >= density[2:]) & (density[1:-1] > 0.05 * density.max())
        assert peaks.sum() == modes
        assert kurtosis(s) < -0.5
    neighbours = [s[1:] @ s[:-1] / len(s) for s in S.T]
    assert neighbours[0] > neighbours[1] > neighbours[2] > 0.5


@pytest.mark.parametrize("draw", [gp_sources, ar_sources, modulated_sources, sparse_sources, multimodal_sources])
@pytest.mark.parametrize("T", [60, 1001])
def test_random_sources_are_standardised_and_follow_the_seed(draw, T):
    S = draw(T, seed=1)
    assert S.shape == (T, 3)
    assert_standardised(S)
    np.testing.assert_array_equal(S, draw(T, seed=1))
    assert not np.allclose(S, draw(T, seed=2))


# --- mixings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 2), (3, 3), (3, 7), (10, 10)])
@pytest.mark.parametrize("condition_number", [1.0, 3.0, 1e4])
def test_condition_numbers_are_exact(n, m, condition_number):
    matrices = (random_linear(n, m, condition_number, seed=n).matrix,)
    matrices += random_network(n, m, 3, condition_number=condition_number, seed=m).matrices
    assert [A.shape for A in matrices] == [(m, n), (m, n), (m, m), (m, m)]
    for A in matrices:
        expected = condition_number if A.shape[1] > 1 else 1.0
        np.testing.assert_allclose(np.linalg.cond(A), expected, rtol=1e-9)


def inverted(nonlinearity, y):
    """Inverse of a nonlinearity by bisection."""
    low, high = np.full(y.shape, -1e3), np.full(y.shape, 1e3)
    unscaled = Nonlinearity(nonlinearity.activation, nonlinearity.slope)
    for _ in range(80):
        middle = (low + high) / 2
        too_small = unscaled(middle) < y
        low, high = np.where(too_small, middle, low), np.where(too_small, high, middle)
    return (low + high) / 2 * nonlinearity.scale + nonlinearity.centre


@pytest.mark.parametrize("activation", ["leaky_relu", "tanh"])
@pytest.mark.parametrize("m", [3, 5])
@pytest.mark.parametrize("n_layers", [1, 2, 4])
def test_networks_are_invertible(activation, m, n_layers):
    S = artificial_sources(200)
    mixing = random_network(3, m, n_layers, activation, seed=5).calibrated(S)
    x = mixing(S) @ np.linalg.pinv(mixing.matrices[-1]).T
    for matrix, nonlinearity in zip(mixing.matrices[-2::-1], mixing.nonlinearities[::-1], strict=True):
        x = inverted(nonlinearity, x) @ np.linalg.pinv(matrix).T
    np.testing.assert_allclose(x, S, atol=1e-8)


@pytest.mark.parametrize("activation", ["leaky_relu", "tanh"])
def test_post_nonlinear_mixings_are_invertible(activation):
    S = artificial_sources(200)
    mixing = random_post_nonlinear(3, 4, activation, seed=6).calibrated(S)
    x = inverted(mixing.nonlinearities[0], mixing(S)) @ np.linalg.pinv(mixing.matrix).T
    np.testing.assert_allclose(x, S, atol=1e-8)


def test_calibration_standardises_the_input_of_every_nonlinearity():
    S = gp_sources(500, seed=7)
    mixing = random_network(3, 4, 3, "tanh", seed=7).calibrated(S)
    x = S
    for matrix, nonlinearity in zip(mixing.matrices[:-1], mixing.nonlinearities, strict=True):
        x = x @ matrix.T
        assert_standardised((x - nonlinearity.centre) / nonlinearity.scale)
        x = nonlinearity(x)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mixing_is_a_fixed_function_of_one_sample(kind):
    simulation = simulate(kind, sources="gp", seed=8)
    np.testing.assert_allclose(simulation.mixing(simulation.sources[40:50]), simulation.noise_free[40:50])


def test_one_layer_is_a_linear_mixing():
    mixing = random_network(3, 3, n_layers=1, seed=9)
    S = artificial_sources(200)
    np.testing.assert_array_equal(mixing(S), S @ mixing.matrix.T)


# --- recordings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sources", SOURCES)
@pytest.mark.parametrize("m", [None, 5])
def test_the_recording_is_the_mixing_of_the_sources(kind, sources, m):
    simulation = simulate(kind, sources=sources, n_samples=300, n_channels=m, seed=10)
    assert_standardised(simulation.sources)
    assert simulation.recording.values.shape == (300, m or 3)
    assert len(simulation.recording.channel_names) == (m or 3)
    np.testing.assert_array_equal(simulation.recording.values, simulation.mixing(simulation.sources))
    np.testing.assert_array_equal(simulation.recording.values, simulation.noise_free)


@pytest.mark.parametrize("kind", KINDS)
def test_which_kinds_are_nonlinear(kind):
    simulation = simulate(kind, seed=11)
    S, Y = simulation.sources, simulation.noise_free - simulation.noise_free.mean(axis=0)
    residual = Y - S @ np.linalg.lstsq(S, Y, rcond=None)[0]
    share = residual.var(axis=0) / Y.var(axis=0)
    assert share.max() < 1e-20 if kind == "linear" else share.min() > 0.005


def test_noise_is_a_fraction_of_each_channel():
    T, fraction = 20_000, 0.1
    simulation = simulate(sources="gp", n_samples=T, noise=fraction, seed=12)
    noise = simulation.recording.values - simulation.noise_free
    measured = noise.std(axis=0) / simulation.noise_free.std(axis=0)
    np.testing.assert_allclose(measured, fraction, atol=5 * fraction / math.sqrt(2 * T))


def test_the_seed_determines_the_recording_and_streams_are_separate():
    first = simulate("tanh", sources="gp", noise=0.1, seed=13)
    again = simulate("tanh", sources="gp", noise=0.1, seed=13)
    other = simulate("tanh", sources="gp", noise=0.1, seed=14)
    quiet = simulate("tanh", sources="gp", seed=13)
    swapped = simulate("tanh", sources="ar", seed=13)
    np.testing.assert_array_equal(first.recording.values, again.recording.values)
    assert not np.allclose(first.recording.values, other.recording.values)
    np.testing.assert_array_equal(first.noise_free, quiet.noise_free)
    for a, b in zip(first.mixing.matrices, swapped.mixing.matrices, strict=True):
        np.testing.assert_array_equal(a, b)
    assert first.seed == 13


def test_given_sources_are_standardised():
    S = np.random.default_rng(15).laplace(3.0, 7.0, (200, 2))
    simulation = simulate(sources=S)
    np.testing.assert_allclose(simulation.sources, (S - S.mean(0)) / S.std(0))


@pytest.mark.parametrize(
    "call",
    [
        lambda: artificial_sources(149),
        lambda: gp_sources(1),
        lambda: gp_sources(100, []),
        lambda: gp_sources(100, [0.0]),
        lambda: gp_sources(100, [101.0]),
        lambda: gp_sources(100, [math.nan]),
        lambda: gp_sources(100, kernel="cosine"),
        lambda: ar_sources(100, []),
        lambda: ar_sources(100, [0.6]),
        lambda: ar_sources(100, damping=1.0),
        lambda: modulated_sources(100, depth=-1.0),
        lambda: modulated_sources(100, [0.0]),
        lambda: sparse_sources(1),
        lambda: sparse_sources(100, damping=1.0),
        lambda: sparse_sources(100, freedom=2.0),
        lambda: sparse_sources(100, [0.6]),
        lambda: multimodal_sources(100, n_modes=(2, 2)),
        lambda: multimodal_sources(100, n_modes=(2, 1, 2)),
        lambda: random_linear(3, 2),
        lambda: random_linear(0, 2),
        lambda: random_linear(2, 2, condition_number=0.5),
        lambda: random_linear(2, 2, condition_number=math.nan),
        lambda: random_network(2, 2, n_layers=0),
        lambda: random_network(2, 2, activation="relu"),
        lambda: random_network(2, 2, slope=0.0),
        lambda: SimulatedMixing((np.eye(2), np.eye(2)), ()),
        lambda: simulate("quadratic"),
        lambda: simulate(sources="birds"),
        lambda: simulate(noise=-0.1),
        lambda: simulate(noise=math.inf),
        lambda: simulate(seed=-1),
        lambda: simulate(n_channels=2),
    ],
)
def test_wrong_settings_are_refused(call):
    with pytest.raises(OptionError):
        call()


@pytest.mark.parametrize("S", [np.ones((50, 2)), np.zeros(50), np.full((50, 2), np.nan)])
def test_wrong_sources_are_refused(S):
    with pytest.raises(InputError):
        simulate(sources=S)
