"""What every prior keeps to, whatever its family: density, spectrum, samples, tuning, membership in a prior set."""

from __future__ import annotations

import copy

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from as_users_call import as_users_call
from made_prior import made_prior
from own_models import WhiteNoise, WhiteNoiseSpec
from quick_compile import quick_compile

from stradiff.errors import OptionError
from stradiff.initialise.prior_selection import best_of
from stradiff.model.priors import PRIORS, Prior, PriorSet, prior_spec, register_prior, registry
from stradiff.model.priors.autoregression import AutoregressivePrior
from stradiff.model.priors.stationary import StationaryPrior

T = 40
OPTIONS = {"length_scale": 0.1, "sigma_f": 1.3, "jitter": 0.02}
GAUSSIAN = ("rbf", "matern12", "matern32", "periodic", "locally_periodic", "spectral_mixture", "rbf+matern12", "ar")
every_gaussian = pytest.mark.parametrize("name", GAUSSIAN)


log_prob = eqx.filter_jit(lambda prior, source, times=None: prior.log_prob(source, times))
spectrum = eqx.filter_jit(lambda prior, omega, n_samples: prior.spectrum(omega, n_samples))
precision_spectrum = eqx.filter_jit(lambda prior, omega, n_samples: prior.precision_spectrum(omega, n_samples))


@pytest.fixture(autouse=True)
def _compiled_quickly():
    with quick_compile():
        yield


def moved(name, n_samples=T, seed=0):
    """A prior away from where it was made, so that no parameter hides at a special place."""
    rng = np.random.default_rng(seed)
    prior = made_prior(name, n_samples, **OPTIONS)
    return jax.tree.map(lambda leaf: leaf + jnp.asarray(0.3 * rng.standard_normal(leaf.shape), leaf.dtype), prior)


def covariance(prior, n_samples=T):
    """Of its trajectories, from its samples: those of a Gaussian prior are linear in the noise they are drawn from."""
    omega = 2 * np.pi * np.arange(1 << 15) / (1 << 15)
    autocovariance = np.fft.ifft(np.asarray(spectrum(prior, jnp.asarray(omega), n_samples))).real[:n_samples]
    return autocovariance[np.abs(np.subtract.outer(np.arange(n_samples), np.arange(n_samples)))]


def log_normal(source, matrix):
    quadratic = source @ np.linalg.solve(matrix, source)
    return -0.5 * (len(source) * np.log(2 * np.pi) + np.linalg.slogdet(matrix)[1] + quadratic)


def source(seed=0, n_samples=T):
    return np.random.default_rng(seed).standard_normal(n_samples)


@pytest.mark.parametrize("name", [name for name in GAUSSIAN if name != "periodic"])
def test_the_density_is_the_gaussian_one_of_its_spectrum(name):
    """By NumPy, from the autocovariance that the spectrum transforms into: the density is normalised."""
    prior = moved(name)
    wanted = log_normal(source(), covariance(prior))
    np.testing.assert_allclose(log_prob(prior, jnp.asarray(source())), wanted, rtol=1e-6)


def test_a_periodic_prior_has_the_density_of_mackays_kernel_and_the_spectrum_of_its_periodogram():
    prior = moved("periodic")
    frequency, shape = float(prior.correlation.frequency), float(prior.correlation.shape)
    lag = np.subtract.outer(np.arange(T), np.arange(T)) / (T - 1)
    variance, jitter = map(float, prior.level)
    kernel = variance * np.exp(-2 * np.sin(np.pi * frequency * lag) ** 2 / shape**2) + jitter * np.eye(T)
    np.testing.assert_allclose(log_prob(prior, jnp.asarray(source())), log_normal(source(), kernel), rtol=1e-6)
    omega = 2 * np.pi * np.arange(T) / T
    wave = np.exp(-1j * np.outer(omega, np.arange(T)))
    wanted = np.einsum("wi,ij,wj->w", wave, kernel, wave.conj()).real / T
    np.testing.assert_allclose(spectrum(prior, jnp.asarray(omega), T), wanted, rtol=1e-6)


@every_gaussian
def test_samples_have_the_power_of_the_spectrum(name):
    """The mean periodogram of R draws varies by 1 / sqrt(R) of itself; Fejer's kernel smooths the spectrum it has."""
    prior, n_draws = moved(name), 1000
    keys = jax.random.split(jax.random.key(0), n_draws)
    draws = np.asarray(eqx.filter_jit(jax.vmap(lambda key: prior.sample(key, T, None)))(keys))
    power = np.mean(np.abs(np.fft.fft(draws, axis=1)) ** 2, axis=0) / T
    fine = np.asarray(spectrum(prior, jnp.asarray(2 * np.pi * np.arange(64 * T) / (64 * T)), T))
    lag = np.arange(T)
    autocovariance = np.fft.ifft(fine).real[:T]
    if name == "periodic":  # its spectrum is a periodogram already
        autocovariance = autocovariance / (1 - lag / T)
    folded = 2 * ((1 - lag / T) * autocovariance) @ np.cos(np.outer(lag, 2 * np.pi * lag / T)) - autocovariance[0]
    assert np.abs(power / folded - 1).max() < 5 * np.sqrt(2 / n_draws)  # twice the variance at frequency zero


@pytest.mark.parametrize("name", [name for name in GAUSSIAN if name != "ar"])
def test_a_draw_is_the_cholesky_factor_times_white_noise(name):
    prior, key = moved(name), jax.random.key(4)
    matrix = prior.covariance(jnp.linspace(0.0, 1.0, T))
    expected = np.linalg.cholesky(matrix) @ np.asarray(jax.random.normal(key, (T,), jnp.float64))
    np.testing.assert_allclose(eqx.filter_jit(prior.sample)(key, T, None), expected, rtol=1e-7, atol=1e-7)


@every_gaussian
def test_tuning_makes_a_source_likelier_and_gradients_are_finite(name):
    prior = made_prior(name, T)
    wave = jnp.asarray(np.sin(0.9 * np.arange(T)) + 0.3 * source())

    @eqx.filter_jit
    def look(prior):
        tuned = prior.tuned(wave, None)
        return tuned, prior.log_prob(wave, None), eqx.filter_value_and_grad(lambda p: p.log_prob(wave, None))(tuned)

    tuned, before, (after, gradient) = look(prior)
    assert after > before
    assert jax.tree.structure(tuned) == jax.tree.structure(prior)
    for got, wanted in zip(jax.tree.leaves(tuned), jax.tree.leaves(prior), strict=True):
        assert got.dtype == wanted.dtype
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    assert tuned.length_scale > 0


LONG = 300
POSITIONS = {
    "spectral_mixture": {"log_length_scale": [-5.0, -4.5, -4.0], "frequency": [20.0, 60.0, 140.0]},
    "locally_periodic": {"period.frequency": 31.0, "period.log_shape": -1.0, "fading.log_length_scale": -4.5},
    "rbf+matern32": {"parts.0.log_length_scale": -4.0, "parts.1.log_length_scale": -5.0},
}


def placed(name, solver, reach=0.0):
    """Away from the optimum, in double precision throughout; ``reach`` lengthens what it remembers."""
    prior = made_prior(name, LONG, solver=solver, learn_sigma_f=True, learn_jitter=True)
    prior = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), prior)
    for path, value in POSITIONS[name].items():
        longer = reach if path.endswith("length_scale") else 0.0

        def where(p, path=path):
            node = p.correlation
            for step in path.split("."):
                node = node[int(step)] if step.isdecimal() else getattr(node, step)
            return node

        prior = eqx.tree_at(where, prior, jnp.asarray(value, jnp.float64) + longer)
    return prior


@pytest.mark.parametrize("name", POSITIONS)
def test_quick_and_dense_solvers_agree_in_value_and_gradient(name):
    """Whether memories are short beside the record or reach through a good part of it."""
    trajectory = jnp.asarray(source(3, LONG))

    @eqx.filter_jit
    @eqx.filter_value_and_grad
    def log_prob(both):
        return both[0].log_prob(both[1], None)

    for reach in (0.0, 3.0):
        quick, slow = (placed(name, solver, reach) for solver in ("auto", "dense"))
        (value, gradient), (wanted, wanted_gradient) = (log_prob((prior, trajectory)) for prior in (quick, slow))
        np.testing.assert_allclose(value, wanted, rtol=1e-8)
        for got, expected in zip(jax.tree.leaves(gradient), jax.tree.leaves(wanted_gradient), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())


def test_irregular_times_are_factorised_or_refused():
    times = np.sort(np.random.default_rng(0).random(T))
    prior = moved("locally_periodic")
    rho = np.asarray(prior.correlation.at(jnp.asarray(np.subtract.outer(times, times))))
    variance, jitter = map(float, prior.level)
    wanted = log_normal(source(), variance * rho + jitter * np.eye(T))
    np.testing.assert_allclose(log_prob(prior, jnp.asarray(source()), jnp.asarray(times)), wanted, rtol=1e-7)
    autoregression = moved("ar")
    for use in (autoregression.log_prob, autoregression.tuned):
        with pytest.raises(OptionError, match="evenly spaced"):
            use(jnp.asarray(source()), jnp.asarray(times))


@pytest.mark.parametrize("level", [-50.0, 0.0, 50.0])
def test_an_autoregression_is_stationary_wherever_its_parameters_go(level):
    prior = eqx.tree_at(
        lambda p: p.free, made_prior("ar", T, **OPTIONS), jnp.full(4, level) * jnp.asarray([1, -1, 1, 1.0])
    )
    assert np.isfinite(log_prob(prior, jnp.asarray(source())))
    assert 0 < prior.length_scale < np.inf


def test_an_autoregression_is_estimated_from_its_draw():
    """An estimate of T samples is off by about 1 / sqrt(T)."""
    n_samples = 4000
    drawn = AutoregressivePrior(2, n_samples, jitter=1e-6)
    drawn = eqx.tree_at(lambda p: p.free, drawn, jnp.arctanh(jnp.asarray([0.8, -0.7])))
    trajectory = drawn.sample(jax.random.key(1), n_samples, None)
    tuned = eqx.filter_jit(lambda p, s: p.tuned(s, None))(AutoregressivePrior(2, n_samples, jitter=1e-6), trajectory)
    np.testing.assert_allclose(tuned.partial, [0.8, -0.7], atol=5 / np.sqrt(n_samples))


def prior_set(names):
    return PriorSet.of([made_prior(name, T, length_scale=0.02 * (k + 1)) for k, name in enumerate(names)], names)


def test_a_prior_set_groups_families_and_keeps_the_order_of_sources():
    names = ("ar", "rbf", "matern32", "rbf", "ar")
    priors, sources = prior_set(names), jnp.asarray(np.stack([source(k) for k in range(5)]))
    assert priors.places == ((0, 4), (1, 3), (2,)) and priors.n_sources == 5
    alone = [made_prior(name, T, length_scale=0.02 * (k + 1)) for k, name in enumerate(names)]
    omega = jnp.asarray([0.1, 1.0])

    @eqx.filter_jit
    def look(priors):
        tuned = priors.tuned(sources, None)
        return priors.log_prob(sources, None), priors.spectra(omega, T), priors.length_scales, tuned

    densities, spectra, scales, tuned = look(priors)
    for k, prior in enumerate(alone):
        np.testing.assert_allclose(densities[k], log_prob(prior, sources[k]), rtol=1e-8)
        np.testing.assert_allclose(spectra[k], prior.spectrum(omega, T), rtol=1e-8)
        np.testing.assert_allclose(scales[k], prior.length_scale, rtol=1e-8)
        assert jax.tree.structure(tuned.prior(k)) == jax.tree.structure(prior)
    assert tuned.places == priors.places and tuned.names == names


def test_the_best_prior_of_every_source_is_the_one_it_was_drawn_from():
    n_samples, names = 400, ("rbf", "matern12", "ar")
    smooth = made_prior("rbf", n_samples, length_scale=0.02).sample(jax.random.key(0), n_samples, None)
    rough = made_prior("matern12", n_samples, length_scale=0.05).sample(jax.random.key(1), n_samples, None)
    resonant = eqx.tree_at(lambda p: p.free, made_prior("ar", n_samples), jnp.asarray([0.5, -1.5, 0.0, 0.0])).sample(
        jax.random.key(2), n_samples, None
    )
    sources = jnp.stack([resonant, smooth, rough])
    prior_sets = [PriorSet.of([made_prior(name, n_samples)] * 3, (name,) * 3) for name in names]
    priors, criteria = best_of(prior_sets, sources)
    assert priors.names == ("ar", "rbf", "matern12") and np.isfinite(criteria).all()


def test_a_prior_can_be_added_from_outside(monkeypatch):
    monkeypatch.setattr(registry, "PRIORS", copy.copy(PRIORS))
    register_prior(WhiteNoiseSpec())
    priors, sources = prior_set(("rbf", "white_noise")), jnp.asarray(np.stack([source(0), source(1)]))
    assert isinstance(priors.prior(1), WhiteNoise)
    wanted = -0.5 * np.sum(source(1) ** 2 + np.log(2 * np.pi))
    np.testing.assert_allclose(priors.log_prob(sources, None)[1], wanted, rtol=1e-6)


@pytest.mark.parametrize("name", ["a+b", "auto", "", "a b"])
def test_names_that_are_none_are_refused(name):
    with pytest.raises(OptionError, match="name of a prior"):
        register_prior(type("Odd", (WhiteNoiseSpec,), {"name": name})())


def test_only_specifications_are_registered():
    with as_users_call(), pytest.raises(OptionError, match="no PriorSpec"):
        register_prior(lambda n_samples: WhiteNoise(jnp.zeros(())))


@pytest.mark.parametrize("name", [*PRIORS, "rbf+matern12"])
def test_specifications_come_back_from_what_is_saved(name):
    spec = prior_spec(name)
    assert prior_spec(spec.as_dict()) == spec and spec.name == name
    assert spec.order == 0 or name in ("ar", "ar_laplace", "ar_student", "gmm_ar")


@pytest.mark.parametrize("name", ["fractal", "", "rbf+", "rbf+ar", "rbf+rbf+rbf+rbf", "auto"])
def test_unknown_names_are_refused(name):
    with pytest.raises(OptionError, match=r"prior=.*rbf"):
        prior_spec(name)


def test_sums_are_made_of_their_parts():
    prior = made_prior("rbf+periodic", T, **OPTIONS)
    assert isinstance(prior, StationaryPrior) and len(prior.correlation.parts) == 2


FAMILIES = (*GAUSSIAN, "matern52", "ar_laplace", "ar_student", "gmm", "gmm_ar")


@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in ("periodic", "gmm_ar")])
def test_a_prior_of_a_segment_is_the_same_process(name):
    """Its samples are as far apart as those of the record, so its spectrum, per sample, is the same."""
    n_samples, n_segment = 400, 100
    prior, omega = moved(name, n_samples), jnp.linspace(0.0, np.pi, 50)
    segment = prior.of_segment((n_segment - 1) / (n_samples - 1))
    np.testing.assert_allclose(segment.length_scale * (n_segment - 1), prior.length_scale * (n_samples - 1), rtol=1e-5)
    for function in (spectrum, precision_spectrum):
        np.testing.assert_allclose(function(segment, omega, n_segment), function(prior, omega, n_samples), rtol=1e-5)


def test_a_period_is_the_same_in_segments_and_records():
    prior = moved("periodic", 400)
    whole = prior.correlation.at(jnp.arange(100) / 399)
    np.testing.assert_allclose(prior.of_segment(99 / 399).correlation.at(jnp.arange(100) / 99), whole, rtol=1e-5)


@pytest.mark.parametrize("name", ["rbf", "matern12", "ar", "gmm_ar"])
def test_what_is_given_the_past_adds_up_to_the_whole(name):
    """log p(record) = log p(past) + log p(rest | past), for sources that remember no further."""
    n_samples, n_segment = 400, 250  # two segments, and the hundred samples that they share
    prior = made_prior(name, n_samples, length_scale=0.01, jitter=0.01)
    values = jnp.asarray(source(3, n_samples))

    def density(first, last):
        return float(log_prob(prior.of_segment((last - first - 1) / (n_samples - 1)), values[first:last]))

    whole = float(log_prob(prior, values))
    chained = (
        density(0, n_segment) + density(n_samples - n_segment, n_samples) - density(n_samples - n_segment, n_segment)
    )
    np.testing.assert_allclose(chained, whole, rtol=1e-4)


def test_a_prior_without_segments_is_refused_for_them():
    class Whole(Prior):
        def log_prob(self, source, times):
            return jnp.zeros(())

        def sample(self, key, n_samples, times):
            return jnp.zeros(n_samples)

        def spectrum(self, omega, n_samples):
            return jnp.ones_like(omega)

        @property
        def length_scale(self):
            return jnp.ones(())

    with pytest.raises(OptionError, match="segment_length='whole'"):
        Whole().of_segment(0.5)


log_prob_and_slopes = eqx.filter_jit(eqx.filter_value_and_grad(lambda both: both[0].log_prob(both[1], None)))
WHOLE_PERIODS = (199 / 8, 199 / 4)  # of 8 and 4 samples


@pytest.mark.parametrize("log_shape", [-3.0, 0.0, 1.0])
@pytest.mark.parametrize("frequency", [0.7, 3.3, 31.7, *WHOLE_PERIODS])
def test_the_harmonics_of_a_periodic_prior_agree_with_its_whole_covariance(frequency, log_shape):
    """Value and gradients, from less than one period in the record, at length-scales from a wiggle to a cosine."""
    place, values = (jnp.float64(frequency), jnp.float64(log_shape)), jnp.asarray(source(1, 200))

    def both(solver):
        options = {"length_scale": 0.1, "learn_sigma_f": True, "learn_jitter": True, "solver": solver}
        prior = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), made_prior("periodic", 200, **options))
        prior = eqx.tree_at(lambda one: (one.correlation.frequency, one.correlation.log_shape), prior, place)
        return log_prob_and_slopes((prior, values))

    (value, slopes), (right, right_slopes) = both("auto"), both("dense")
    assert value == pytest.approx(float(right), rel=1e-10)
    steepest = max(float(jnp.abs(other).max()) for other in jax.tree.leaves(right_slopes))
    for one, other in zip(jax.tree.leaves(slopes), jax.tree.leaves(right_slopes), strict=True):
        # Of whole periods, modes beyond half the sampling rate fall together: errors are those of the steepest.
        scale = 100.0 * steepest if frequency in WHOLE_PERIODS else float(jnp.abs(other).max())
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-8 * scale)
