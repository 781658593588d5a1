"""The Gaussian-process priors: against outside libraries, against each other, against their own definition."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tinygp
from scipy.stats import multivariate_normal
from sklearn.gaussian_process.kernels import RBF, Matern

from stradiff.errors import NumericsError, OptionError
from stradiff.model.priors import GaussianProcessPrior, dense
from stradiff.model.priors.kernels import KERNELS, SPECTRA

pytestmark = pytest.mark.usefixtures("quickly_compiled")

T = 150
REGULAR = np.linspace(0.0, 1.0, T)
IRREGULAR = np.sort(np.random.default_rng(0).random(T))
MATERN = ("matern12", "matern32", "matern52")
ORACLES = {"rbf": RBF, "matern12": Matern, "matern32": Matern, "matern52": Matern}
SMOOTHNESS = {"matern12": {"nu": 0.5}, "matern32": {"nu": 1.5}, "matern52": {"nu": 2.5}}
TINYGP = {
    "rbf": tinygp.kernels.ExpSquared,
    "matern12": tinygp.kernels.Exp,
    "matern32": tinygp.kernels.Matern32,
    "matern52": tinygp.kernels.Matern52,
}
every_kernel = pytest.mark.parametrize("kernel", KERNELS)
every_grid = pytest.mark.parametrize("times", [None, IRREGULAR], ids=["regular", "irregular"])

LENGTH_SCALE, SIGMA_F, JITTER = 0.07, 1.3, 2e-3


def source(seed=0, n_samples=T):
    return np.random.default_rng(seed).standard_normal(n_samples)


def covariance_of_sklearn(kernel, times):
    correlation = ORACLES[kernel](LENGTH_SCALE, **SMOOTHNESS.get(kernel, {}))
    return SIGMA_F**2 * correlation(times[:, None]) + JITTER * np.eye(len(times))


def prior_of(kernel, solver="auto", **options):
    return GaussianProcessPrior(LENGTH_SCALE, kernel=kernel, sigma_f=SIGMA_F, jitter=JITTER, solver=solver, **options)


def in_float64(prior):
    """The hyperparameters as they were meant, beyond what single precision holds of them."""
    for name, value in (("length_scale", LENGTH_SCALE), ("sigma_f", SIGMA_F), ("jitter", JITTER)):
        prior = eqx.tree_at(lambda p, name=name: getattr(p, f"log_{name}"), prior, jnp.log(value))
    return prior


@eqx.filter_jit
def log_prob(prior, trajectory, times):
    return prior.log_prob(trajectory, times)


def log_density(prior, trajectory, times):
    grid = None if times is None else jnp.asarray(times)
    return float(log_prob(prior, jnp.asarray(trajectory), grid))


@every_grid
@every_kernel
@pytest.mark.parametrize("solver", ["auto", "dense"])
def test_density_is_that_of_scipy(kernel, times, solver):
    covariance = covariance_of_sklearn(kernel, REGULAR if times is None else times)
    expected = multivariate_normal(cov=covariance).logpdf(source())
    np.testing.assert_allclose(log_density(in_float64(prior_of(kernel, solver)), source(), times), expected, rtol=1e-6)


@every_grid
@every_kernel
def test_density_is_that_of_tinygp(kernel, times):
    grid = jnp.asarray(REGULAR if times is None else times)
    process = tinygp.GaussianProcess(SIGMA_F**2 * TINYGP[kernel](LENGTH_SCALE), grid, diag=jnp.full(T, JITTER))
    expected = float(process.log_probability(jnp.asarray(source())))
    np.testing.assert_allclose(log_density(in_float64(prior_of(kernel)), source(), times), expected, rtol=1e-6)


@eqx.filter_jit
def derivatives(prior, trajectory, times):
    def of(prior, trajectory):
        return prior.log_prob(trajectory, times)

    in_prior = eqx.filter_grad(of)(prior, trajectory)
    return jnp.stack(jax.tree.leaves(in_prior)), jax.grad(of, argnums=1)(prior, trajectory)


@pytest.mark.parametrize("kernel", MATERN)
def test_state_space_gradients_are_those_of_the_dense_path(kernel):
    fast, slow = (
        derivatives(
            in_float64(prior_of(kernel, solver, learn_sigma_f=True, learn_jitter=True)),
            jnp.asarray(source()),
            jnp.asarray(IRREGULAR),
        )
        for solver in ("fast", "dense")
    )
    for got, wanted in zip(fast, slow, strict=True):
        assert np.linalg.norm(got - wanted) < 1e-6 * np.linalg.norm(wanted)


def test_fixed_hyperparameters_get_no_gradient():
    in_prior, _ = derivatives(prior_of("rbf", "dense"), jnp.asarray(source(0, 8)), None)
    length_scale, sigma_f, jitter = np.asarray(in_prior)
    assert length_scale != 0
    assert sigma_f == 0 and jitter == 0


@pytest.mark.parametrize(
    ("kernel", "solver", "n_samples", "irregular", "route"),
    [
        ("rbf", "auto", 100, False, "regular-grid"),
        ("rbf", "fast", 100, False, "regular-grid"),
        ("rbf", "auto", 99, False, "dense"),
        ("rbf", "auto", 500, True, "dense"),
        ("rbf", "dense", 500, False, "dense"),
        ("matern12", "auto", 5, False, "state-space"),
        ("matern32", "fast", 500, True, "state-space"),
        ("matern52", "dense", 500, True, "dense"),
    ],
)
def test_route(kernel, solver, n_samples, irregular, route):
    times = jnp.linspace(0.0, 1.0, n_samples) ** 2 if irregular else None
    assert prior_of(kernel, solver)._route(n_samples, times) == route


@pytest.mark.parametrize(("n_samples", "irregular"), [(99, False), (200, True)])
def test_the_fast_rbf_path_is_refused_where_it_does_not_hold(n_samples, irregular):
    times = jnp.linspace(0.0, 1.0, n_samples) ** 2 if irregular else None
    with pytest.raises(OptionError, match="regular grid of at least 100"):
        prior_of("rbf", "fast").log_prob(jnp.zeros(n_samples), times)


@pytest.mark.parametrize("options", [{"kernel": "periodic"}, {"solver": "quick"}])
def test_unknown_names_are_refused(options):
    with pytest.raises(OptionError, match="There is no"):
        GaussianProcessPrior(0.1, **options)


def test_single_precision_is_refused_with_the_remedy():
    with jax.enable_x64(False), pytest.raises(NumericsError, match="numerics"):
        prior_of("rbf").log_prob(jnp.zeros(T), None)


@every_grid
@every_kernel
def test_time_has_no_direction(kernel, times):
    backwards = None if times is None else 1.0 - times[::-1]
    prior = prior_of(kernel)
    forwards = log_density(prior, source(), times)
    np.testing.assert_allclose(log_density(prior, source()[::-1].copy(), backwards), forwards, rtol=1e-8)


@every_kernel
def test_sign_does_not_count_and_scale_counts_as_it_must(kernel):
    """s -> -s leaves the density; s -> c s with sigma_f -> c sigma_f, xi -> c^2 xi divides it by c^T."""
    prior, factor = in_float64(prior_of(kernel)), 3.0
    one = log_density(prior, source(), None)
    np.testing.assert_allclose(log_density(prior, -source(), None), one, rtol=1e-10)
    scaled = eqx.tree_at(lambda p: p.log_sigma_f, prior, prior.log_sigma_f + jnp.log(factor))
    scaled = eqx.tree_at(lambda p: p.log_jitter, scaled, prior.log_jitter + 2 * jnp.log(factor))
    np.testing.assert_allclose(log_density(scaled, factor * source(), None), one - T * np.log(factor), rtol=1e-8)


@pytest.mark.parametrize("kernel", MATERN)
def test_independent_records_multiply(kernel):
    """Two stretches far apart: the density of both is the product of the densities of each."""
    prior, half = prior_of(kernel), np.linspace(0.0, 1.0, T // 2)
    left, right = source()[: T // 2], source()[T // 2 :]
    apart = log_density(prior, source(), np.concatenate([half, half + 50.0]))
    separately = log_density(prior, left, half) + log_density(prior, right, half)
    np.testing.assert_allclose(apart, separately, rtol=1e-8)


@every_grid
@pytest.mark.parametrize("kernel", ["rbf", "matern32"])
def test_drawn_trajectories_have_the_covariance_they_should(kernel, times):
    """An entry of a sample covariance of R draws has variance (K_ij^2 + K_ii K_jj) / R."""
    n_samples, n_draws = 12, 4000
    grid = np.linspace(0.0, 1.0, n_samples) if times is None else times[:n_samples]
    prior = prior_of(kernel)
    sample = eqx.filter_jit(
        jax.vmap(lambda key: prior.sample(key, n_samples, None if times is None else jnp.asarray(grid)))
    )
    draws = np.asarray(sample(jax.random.split(jax.random.key(0), n_draws)))
    expected = covariance_of_sklearn(kernel, grid)
    deviation = np.sqrt((expected**2 + np.outer(np.diag(expected), np.diag(expected))) / n_draws)
    assert np.abs((draws.T @ draws / n_draws - expected) / deviation).max() < 5
    assert np.abs(draws.mean(axis=0) / np.sqrt(np.diag(expected) / n_draws)).max() < 5


@every_grid
@every_kernel
def test_a_draw_is_the_cholesky_factor_times_white_noise(kernel, times):
    prior, key = prior_of(kernel), jax.random.key(4)
    grid = np.linspace(0.0, 1.0, T) if times is None else times
    drawn = eqx.filter_jit(prior.sample)(key, T, None if times is None else jnp.asarray(times))
    expected = np.linalg.cholesky(covariance_of_sklearn(kernel, grid)) @ np.asarray(jax.random.normal(key, (T,)))
    np.testing.assert_allclose(drawn, expected, rtol=1e-7, atol=1e-7)


@every_kernel
@pytest.mark.parametrize("length_scale", [1.0, 4.0, 25.0])
def test_spectrum_is_the_fourier_transform_of_the_autocovariance(kernel, length_scale):
    """The Matern spectra sum 17 aliases: what is left out falls as (length-scale x 2 pi x 8)^-(2 nu + 1)."""
    n_lags = 4096
    lag = np.minimum(np.arange(n_lags), n_lags - np.arange(n_lags))
    autocovariance = np.asarray(KERNELS[kernel](jnp.asarray(lag / length_scale)))
    expected = np.fft.rfft(autocovariance).real
    omega = jnp.asarray(2 * np.pi * np.arange(n_lags // 2 + 1) / n_lags)
    got = np.asarray(SPECTRA[kernel](omega, jnp.asarray(length_scale)))
    tolerance = {"matern32": 4e-5, "matern52": 1e-7}.get(kernel, 1e-10)
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * expected.max())


@every_kernel
def test_spectrum_of_a_prior_has_the_power_of_its_trajectories(kernel):
    omega = np.pi * (np.arange(4000) + 0.5) / 4000
    power = np.asarray(prior_of(kernel).spectrum(jnp.asarray(omega), T)).mean()
    np.testing.assert_allclose(power, SIGMA_F**2 + JITTER, rtol=1e-4)


def test_covariance_is_symmetric_with_the_jitter_on_its_diagonal():
    matrix = np.asarray(dense.covariance("rbf", jnp.asarray(REGULAR), *map(jnp.asarray, (0.1, 2.0, 0.3))))
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_allclose(np.diag(matrix), 2.3, rtol=1e-12)


@every_kernel
def test_priors_stack_as_the_model_holds_them(kernel):
    scales = jnp.asarray([0.02, 0.3])
    stacked = eqx.filter_vmap(lambda scale: GaussianProcessPrior(scale, kernel=kernel))(scales)
    trajectories = jnp.asarray(np.stack([source(1, 20), source(2, 20)]))
    omega = jnp.asarray([0.1, 1.0, 3.0])

    @eqx.filter_jit
    def of_all(priors):
        densities = eqx.filter_vmap(lambda prior, s: prior.log_prob(s, None))(priors, trajectories)
        spectra, scales = eqx.filter_vmap(lambda prior: (prior.spectrum(omega, 20), prior.length_scale))(priors)
        return densities, spectra, scales

    densities, spectra, length_scales = of_all(stacked)
    for k, scale in enumerate(scales):
        alone = GaussianProcessPrior(scale, kernel=kernel)
        np.testing.assert_allclose(densities[k], log_prob(alone, trajectories[k], None), rtol=1e-8)
        np.testing.assert_allclose(spectra[k], alone.spectrum(omega, 20), rtol=1e-10)
    assert (np.asarray(spectra) > 0).all()
    np.testing.assert_allclose(length_scales, scales, rtol=1e-6)
