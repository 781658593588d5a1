"""The volume term: for a linear map the log-determinant it stands for can be written down."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick_compile import quick_compile
from random_models import random_double_model
from short import configuration
from sklearn.gaussian_process.kernels import RBF, Matern

from stradiff.config import Dense
from stradiff.model.mixing import MLP
from stradiff.train import volume as volume_module
from stradiff.train.volume import UNROLLED, _log_det, volume

NU_Y = 0.05
IN_SAMPLES = np.array([1.5, 6.0])
MATRIX = np.array([[1.0, 0.4], [-0.3, 0.8], [0.2, 0.5]])
JITTER = 1e-2


compiled_volume = eqx.filter_jit(volume)


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compile():
        yield


def small(**parameters):
    return configuration(n_sources=2, network=Dense(width=2), n_steps=1, **parameters)


def linear_model(n_samples, prior="rbf"):
    """Length-scales that stay the same in samples, whatever T."""
    model = random_double_model(small(prior=prior), n_samples, 3)

    def parts(m):
        (priors,) = m.priors.groups
        return m.mixing.matrix, priors.log_length_scale, priors.log_sigma_f, priors.log_jitter

    values = (MATRIX, np.log(IN_SAMPLES / (n_samples - 1)), np.zeros(2), np.full(2, np.log(JITTER)))
    return eqx.tree_at(parts, model, tuple(map(jnp.asarray, values)))


def exact(n_samples, kernel):
    """1/2 log det(K^-1 + J'J / nu), all sources after one another in one matrix."""
    times = np.arange(n_samples)[:, None]
    inverse = [np.linalg.inv(kernel(scale)(times) + JITTER * np.eye(n_samples)) for scale in IN_SAMPLES]
    precision = np.kron(MATRIX.T @ MATRIX / NU_Y, np.eye(n_samples))
    for k, block in enumerate(inverse):
        precision[k * n_samples : (k + 1) * n_samples, k * n_samples : (k + 1) * n_samples] += block
    return 0.5 * np.linalg.slogdet(precision)[1]


def approximate(n_samples, prior="rbf"):
    sources = jnp.zeros((2, n_samples))
    return float(compiled_volume(linear_model(n_samples, prior), sources, NU_Y, jax.random.key(0)))


@pytest.mark.parametrize(
    ("prior", "kernel"), [("rbf", RBF), ("matern32", lambda scale: Matern(scale, nu=1.5))], ids=["rbf", "matern32"]
)
def test_a_linear_map_has_the_exact_determinant_up_to_the_ends_of_the_record(prior, kernel):
    """Every end counts a correlation time differently, whatever T: per sample the error falls as 1 / T."""
    lengths = [80, 160]
    error = np.array([approximate(n, prior) - exact(n, kernel) for n in lengths])
    per_sample = np.abs(error / lengths)
    assert np.abs(error).max() < IN_SAMPLES.sum()
    assert (per_sample[1:] < 0.6 * per_sample[:-1]).all()


def nonlinear_model_and_sources(n_samples):
    sources = np.random.default_rng(0).standard_normal((2, n_samples))
    return random_double_model(small(mixing=MLP(width=4)), n_samples, 3), jnp.asarray(sources)


def test_a_part_of_the_times_stands_for_all(monkeypatch):
    """The mean over keys is the whole sum, to five standard errors."""
    model, sources = nonlinear_model_and_sources(40)
    whole = float(compiled_volume(model, sources, NU_Y, jax.random.key(0)))
    monkeypatch.setattr(volume_module, "BUDGET", 10 * 4 * volume_module.FREQUENCIES)  # ten times of two sources
    of_keys = jax.jit(jax.vmap(lambda key: volume(model, sources, NU_Y, key)))
    parts = np.asarray(of_keys(jax.random.split(jax.random.key(1), 400)))
    assert parts.std() > 0
    assert abs(parts.mean() - whole) < 5 * parts.std() / np.sqrt(len(parts))


def test_without_noise_it_is_the_change_of_variables():
    """nu -> 0: sum_t 1/2 log det J_t' J_t, and T n / 2 log 1 / nu beside it."""
    model, sources = nonlinear_model_and_sources(40)
    nu_y = 1e-12
    jacobian = np.asarray(jax.vmap(jax.jacfwd(model.mixing), in_axes=1)(sources))
    log_volume = 0.5 * np.linalg.slogdet(np.einsum("tmi,tmj->tij", jacobian, jacobian))[1].sum()
    got = float(compiled_volume(model, sources, nu_y, jax.random.key(0)))
    np.testing.assert_allclose(got, log_volume - 40 * np.log(nu_y), rtol=1e-5)


def test_a_source_without_power_has_no_volume_to_lose():
    """Where the prior leaves no freedom the map does not count: only log det K^-1 is left."""
    model = random_double_model(small(), 40, 3)
    levels = lambda m: (m.priors.groups[0].log_sigma_f, m.priors.groups[0].log_jitter)  # noqa: E731
    silent = eqx.tree_at(levels, model, 2 * (jnp.full(2, -30.0),))
    stretched = eqx.tree_at(lambda m: m.mixing.matrix, silent, 10.0 * silent.mixing.matrix)
    sources = jnp.zeros((2, 40))
    one, other = (float(compiled_volume(m, sources, NU_Y, jax.random.key(0))) for m in (silent, stretched))
    np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize("n_sources", [1, UNROLLED, UNROLLED + 1, 24])
def test_many_determinants_at_once_and_their_slopes(n_sources):
    """Written out or as a loop: value and derivative are those of NumPy, one matrix at a time."""
    wide = np.random.default_rng(2).standard_normal((n_sources, 3 * n_sources, 3, 4))
    matrices = np.einsum("iatf,jatf->ijtf", wide, wide)
    ours = jnp.asarray(matrices, jnp.float32)
    log_dets, slope = jax.value_and_grad(lambda each: jnp.sum(_log_det(each) @ jnp.arange(1.0, 5.0)))(ours)
    stacked = np.moveaxis(matrices, (0, 1), (2, 3))
    assert log_dets == pytest.approx((np.linalg.slogdet(stacked)[1] @ np.arange(1.0, 5.0)).sum(), rel=1e-5)
    inverse = np.arange(1.0, 5.0)[None, :, None, None] * np.linalg.inv(stacked)
    symmetric = 0.5 * np.asarray(slope + jnp.swapaxes(slope, 0, 1))  # one half may carry what belongs to both
    np.testing.assert_allclose(np.moveaxis(symmetric, (0, 1), (2, 3)), inverse, rtol=2e-3, atol=1e-5)
