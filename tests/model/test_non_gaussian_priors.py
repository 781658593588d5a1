"""Heavy-tailed and multimodal priors: normalised, drawn as they say, tuned, and finite wherever a source may be."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_prior import made_prior
from scipy.linalg import toeplitz
from scipy.stats import kstest, multivariate_normal

from stradiff.errors import OptionError
from stradiff.model import numerics
from stradiff.model.priors import PRIORS
from stradiff.model.priors import partial_autocorrelation as pacf
from stradiff.model.priors.innovations import SmoothLaplace, Student

NAMES = ("ar_laplace", "ar_student", "gmm", "gmm_ar")
INNOVATIONS = {"laplace": SmoothLaplace(1.3), "student": Student(1.3, 4.0)}
T = 64
every_prior = pytest.mark.parametrize("name", NAMES)
every_innovation = pytest.mark.parametrize("innovation", INNOVATIONS.values(), ids=INNOVATIONS)


def prior_of(name):
    """Of order two where it has one, with every parameter away from where it was made."""
    prior = made_prior(name, T, order=2)
    if prior.free.shape[0]:
        prior = eqx.tree_at(lambda p: p.free, prior, jnp.asarray([0.9, -0.4], jnp.float32))
    if name.startswith("gmm"):
        parts = lambda p: (p.marginal.logits, p.marginal.free_means, p.marginal.log_scales)  # noqa: E731
        values = ([0.0, 0.5, -0.5, -1.0], [-1.2, 0.3, 1.5, 0.0], np.log([0.3, 0.25, 0.4, 1.5]))
        prior = eqx.tree_at(parts, prior, tuple(jnp.asarray(value, jnp.float32) for value in values))
    return prior


@eqx.filter_jit
def densities(prior, trajectories):
    return jax.vmap(lambda s: prior.log_prob(s, None))(trajectories)


@eqx.filter_jit
def draw(prior, keys, n_samples):
    return jax.vmap(lambda key: prior.sample(key, n_samples, None))(keys)


@eqx.filter_jit
def scores(prior, trajectories):
    return jax.vmap(jax.grad(lambda s: prior.log_prob(s, None)))(trajectories)


@eqx.filter_jit
def tuned(prior, source):
    return prior.tuned(source, None)


def line():
    """Points on the whole line and the widths that integrate over it: x = sinh(u), so that tails are reached."""
    u = np.linspace(-14.0, 14.0, 8001)
    return np.sinh(u), np.cosh(u) * (u[1] - u[0])


# --- autoregressions by their partial autocorrelations ---------------------------------------------------


def test_prediction_errors_are_those_of_the_stationary_process():
    partial = jnp.asarray([0.8, -0.5, 0.3])
    omega = 2 * np.pi * np.arange(4096) / 4096
    spectrum = np.prod(1 - np.asarray(partial) ** 2) / np.asarray(pacf.response(partial, jnp.asarray(omega)))
    covariance = toeplitz(np.fft.ifft(spectrum).real[:30])
    np.testing.assert_allclose(np.diag(covariance), 1.0, rtol=1e-9)
    source = np.random.default_rng(0).standard_normal(30)
    errors = np.asarray(pacf.prediction_errors(jnp.asarray(source), partial))
    variance = np.asarray(pacf.unpredicted(partial))[np.minimum(np.arange(30), 3)]
    density = -0.5 * np.sum(np.log(2 * np.pi * variance) + errors**2 / variance)
    np.testing.assert_allclose(density, multivariate_normal(cov=covariance).logpdf(source), rtol=1e-10)
    back = pacf.from_prediction_errors(jnp.asarray(errors), partial)
    np.testing.assert_allclose(back, source, atol=1e-12)


@pytest.mark.parametrize("free", [[0.3, -2.0, 1.0], [6.0], []])
def test_free_parameters_come_back(free):
    free = jnp.asarray(free, jnp.float64)
    np.testing.assert_allclose(pacf.free_from(pacf.partial_autocorrelations(free)), free, rtol=1e-6, atol=1e-9)


def test_memory_is_the_sum_of_squared_autocorrelations():
    """A first-order one has sum kappa^(2|k|) = (1 + kappa^2) / (1 - kappa^2)."""
    for kappa in (0.0, 0.5, -0.9, 0.999):
        expected = (1 + kappa**2) / (1 - kappa**2) / np.sqrt(np.pi)
        np.testing.assert_allclose(pacf.memory(jnp.asarray([kappa])), expected, rtol=1e-3)


# --- innovations ----------------------------------------------------------------------------------------


@every_innovation
def test_a_tuned_innovation_is_where_the_likelihood_is_flat_in_its_scale(innovation):
    with numerics():
        draws = innovation.sample(jax.random.key(0), 2000)
        best = innovation.tuned(draws)

        def mean_log_density(shift):
            scaled = eqx.tree_at(lambda q: q.log_scale, best, best.log_scale + shift)
            return jnp.mean(scaled.log_density(draws))

        assert abs(jax.grad(mean_log_density)(jnp.zeros(()))) < 1e-4


@every_innovation
def test_innovations_have_the_mass_variance_and_information_they_say(innovation):
    values, width = line()
    density = np.exp(np.asarray(innovation.log_density(jnp.asarray(values)))) * width
    score = np.asarray(jax.vmap(jax.grad(lambda e: innovation.log_density(e[None])[0]))(jnp.asarray(values)))
    np.testing.assert_allclose(density.sum(), 1.0, rtol=1e-8)
    np.testing.assert_allclose(density @ values**2, innovation.variance, rtol=1e-4)
    np.testing.assert_allclose(density @ score**2, innovation.information, rtol=1e-6)
    assert innovation.information * innovation.variance > 1.1  # one for a Gaussian alone


@every_innovation
def test_drawn_innovations_follow_their_density(innovation):
    values, width = line()
    distribution = np.cumsum(np.exp(np.asarray(innovation.log_density(jnp.asarray(values)))) * width)
    drawn = np.asarray(innovation.sample(jax.random.key(1), 20_000))
    assert kstest(drawn, lambda e: np.interp(e, values, distribution)).pvalue > 1e-3


# --- priors ---------------------------------------------------------------------------------------------


@every_prior
@pytest.mark.parametrize("n_before", [0, 3])
def test_every_sample_has_a_normalised_density_given_those_before(name, n_before):
    """p(s_1) = int p(s_1, ..) and so on: the prior of t + 1 samples over that of t is a density of the last one."""
    prior = prior_of(name)
    values, width = line()
    before = np.asarray([0.4, -1.0, 0.7])[:n_before]
    extended = np.column_stack([np.tile(before, (len(values), 1)), values])
    joint = np.exp(np.asarray(densities(prior, jnp.asarray(extended)))) @ width
    alone = np.exp(np.asarray(densities(prior, jnp.asarray(before[None]))))[0] if n_before else 1.0
    np.testing.assert_allclose(joint / alone, 1.0, rtol=1e-6)


@every_prior
def test_trajectories_and_scores_have_their_spectra(name):
    """Periodograms of draws and of d log p / ds, tapered against the ends: five standard errors and the bias."""
    prior, n_draws = prior_of(name), 2000
    if name == "ar_student":  # with four degrees of freedom a periodogram has no variance to go by
        prior = eqx.tree_at(lambda p: p.innovation, prior, Student(1.0, 12.0))
    trajectories = draw(prior, jax.random.split(jax.random.key(2), n_draws), T)
    omega = 2 * np.pi * np.asarray([3, 10, 20, 30]) / T
    taper = np.hanning(T) / np.linalg.norm(np.hanning(T))
    waves = taper[:, None] * np.exp(-1j * np.outer(np.arange(T), omega))
    fine = np.linspace(-np.pi, np.pi, 2049)[:-1]
    leak = np.abs(np.exp(-1j * np.outer(omega[:, None] - fine[None], np.arange(T))) @ taper).reshape(4, -1) ** 2
    leak /= leak.sum(axis=1, keepdims=True)
    for values, expected in (
        (trajectories, prior.spectrum(jnp.asarray(np.abs(fine)), T)),
        (scores(prior, trajectories), prior.precision_spectrum(jnp.asarray(np.abs(fine)), T)),
    ):
        power = np.abs(np.asarray(values) @ waves) ** 2
        deviation = np.abs(power.mean(axis=0) - leak @ np.asarray(expected))
        assert (deviation < 5 * power.std(axis=0) / np.sqrt(n_draws) + 0.01 * power.mean(axis=0)).all()


@pytest.mark.parametrize("name", ["gmm", "gmm_ar"])
def test_drawn_values_follow_the_mixture(name):
    prior = prior_of(name)
    last = np.asarray(draw(prior, jax.random.split(jax.random.key(3), 4000), 3))[:, -1]
    values, width = line()
    distribution = np.cumsum(np.exp(np.asarray(prior.marginal.log_density(jnp.asarray(values)))) * width)
    assert kstest(last, lambda s: np.interp(s, values, distribution)).pvalue > 1e-3


def test_gaussianising_and_back():
    """Down to tails of probability 1e-19."""
    mixture, normal = prior_of("gmm").marginal, jnp.asarray([-9.0, -3.0, -0.1, 0.0, 0.2, 4.0, 9.0])
    np.testing.assert_allclose(mixture.gaussianised(mixture.quantile(normal)), normal, atol=1e-9)


@every_prior
def test_tuning_finds_what_made_the_source(name):
    """From where it was made, the prior comes within a tenth of a nat per sample of the true one."""
    prior, start = prior_of(name), made_prior(name, T, order=2)
    source = draw(prior, jax.random.split(jax.random.key(4), 1), 1500)
    estimate = tuned(start, source[0])
    before, after, true = (float(densities(p, source)[0]) for p in (start, estimate, prior))
    assert after > before + 15.0
    assert after > true - 0.1 * 1500


@every_prior
@pytest.mark.parametrize("level", [0.0, 1e6])
def test_gradients_are_finite_wherever_a_source_may_be(name, level):
    source = level * jnp.asarray((-1.0) ** np.arange(T) * np.linspace(0.5, 1.0, T))
    for prior in (prior_of(name), tuned(prior_of(name), source)):
        value, (in_prior, in_source) = _gradients(prior, source)
        assert np.isfinite(value)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((in_prior, in_source)))


@eqx.filter_jit
def _gradients(prior, source):
    return eqx.filter_value_and_grad(lambda pair: pair[0].log_prob(pair[1], None))((prior, source))


@pytest.mark.parametrize("name", ["ar_laplace", "ar_student", "gmm_ar"])
def test_priors_that_count_in_samples_refuse_irregular_times(name):
    prior, times = prior_of(name), jnp.linspace(0.0, 1.0, T) ** 2
    for call in (
        lambda: prior.log_prob(jnp.zeros(T), times),
        lambda: prior.sample(jax.random.key(0), T, times),
        lambda: prior.tuned(jnp.zeros(T), times),
    ):
        with pytest.raises(OptionError, match="evenly spaced; resample"):
            call()


def test_a_mixture_without_memory_holds_at_any_times():
    prior, source = prior_of("gmm"), jnp.linspace(-1.0, 1.0, T)
    assert prior.log_prob(source, jnp.linspace(0.0, 1.0, T) ** 2) == prior.log_prob(source, None)


def test_all_are_known_by_name():
    assert set(NAMES) <= set(PRIORS)


@pytest.mark.parametrize("order", [1, 3, 4, 5, 8])
def test_predictors_are_the_same_compiled(order):
    """They were not: XLA overwrote what it still had to read."""
    partial = np.random.default_rng(order).uniform(-0.9, 0.9, order)
    row, right = np.zeros(0), [np.zeros(order)]
    for k in range(order):
        row = np.append(row - partial[k] * row[::-1], partial[k])
        right.append(np.pad(row, (0, order - k - 1)))
    with numerics():
        compiled = jax.jit(pacf.predictors)(jnp.asarray(partial))
    np.testing.assert_allclose(compiled, right, atol=1e-12)


def test_a_mixture_that_remembers_longer_than_the_record_has_power_at_every_frequency():
    """The sum over lags ends before its terms do, and swings below zero; the spectrum must not."""
    prior = prior_of("gmm_ar")
    slow = eqx.tree_at(lambda p: p.free, prior, pacf.free_from(jnp.asarray([0.9999, -0.5])))
    omega = jnp.asarray(np.linspace(1e-3, np.pi, 2000))
    power = np.asarray(slow.spectrum(omega, 200))
    straight = 1.0 / np.asarray(pacf.response(slow.partial, omega))
    assert (power > 0).all()
    np.testing.assert_allclose(power[1000:] / straight[1000:], (power / straight)[1000], rtol=0.2)
