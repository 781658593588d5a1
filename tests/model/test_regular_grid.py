"""The RBF prior without a T x T matrix against the Cholesky factorisation of that matrix, in value and in gradient."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stradiff.model.priors import regular_grid
from stradiff.model.priors.gaussian_process import GaussianProcessPrior

pytestmark = pytest.mark.usefixtures("quickly_compiled")

TOLERANCE = 1e-8  # of the dense factorisation, which is no nearer to the truth itself where xi is small
LOOSE = 1e-6
SOURCES = ("from the prior", "white", "sinusoid")
NAMES = ("log_length_scale", "log_sigma_f", "log_jitter")

JITTERS = (1e-2, 1e-4, 1e-6)
BORDER = regular_grid.SHORT_FRACTION  # of T: where one description of the covariance hands over to the other
FEWER = (1 / 33.8, 1 / 21.9, 1 / 6.5)  # of T: from where on fewer modes are factorised


def length_scales(n_samples):
    """In samples: one, a few, both sides of the border, long, the whole record."""
    border, record = BORDER * n_samples, n_samples - 1
    return (1.0, 2.7, 0.999 * border, 1.001 * border, 0.05 * record, 0.2 * record, record)


TABLE = [
    *((n, scale, xi, kind) for n in (100, 257) for scale in length_scales(n) for xi in JITTERS for kind in SOURCES),
    *((1000, scale, 1e-6, "from the prior") for scale in length_scales(1000)[1:4]),
    *((1000, side * border * 1000, 1e-6, "white") for border in FEWER for side in (0.95, 1.05)),
    (1000, 50.0, 1e-4, "white"),
    (1000, 999.0, 1e-2, "from the prior"),
    (2000, 1.0, 1e-6, "white"),
    (2000, 1.001 * BORDER * 2000, 1e-6, "from the prior"),
    (2000, 1999.0, 1e-6, "sinusoid"),
]


def source_of(kind, n_samples, length_scale, jitter):
    rng = np.random.default_rng(0)
    if kind == "white":
        return rng.standard_normal(n_samples)
    if kind == "sinusoid":
        return np.sin(2 * np.pi * 3.3 * np.linspace(0, 1, n_samples) + 0.4)
    distance = np.subtract.outer(np.arange(n_samples), np.arange(n_samples)) / length_scale
    covariance = np.exp(-0.5 * distance**2) + jitter * np.eye(n_samples)
    return np.linalg.cholesky(covariance) @ rng.standard_normal(n_samples)


@eqx.filter_jit
def value_and_gradients(solver, source, parameters):
    """log N(s; 0, K) with its derivatives in the source and in the logarithms of the hyperparameters."""

    def log_density(source, parameters):
        prior = GaussianProcessPrior(1.0, solver=solver, learn_sigma_f=True, learn_jitter=True)
        places = [lambda p, name=name: getattr(p, name) for name in NAMES]
        for place, value in zip(places, parameters, strict=True):
            prior = eqx.tree_at(place, prior, value)
        return prior.log_prob(source, None)

    return jax.value_and_grad(log_density, argnums=(0, 1))(source, parameters)


def relative(got, wanted):
    got, wanted = np.asarray(got), np.asarray(wanted)
    return np.linalg.norm(got - wanted) / np.linalg.norm(wanted)


@pytest.mark.parametrize(("n_samples", "length_scale", "jitter", "kind"), TABLE)
def test_agrees_with_the_dense_factorisation(n_samples, length_scale, jitter, kind):
    source = jnp.asarray(source_of(kind, n_samples, length_scale, jitter))
    parameters = jnp.log(jnp.asarray([length_scale / (n_samples - 1), 1.0, jitter]))
    (value, gradients), (expected, expected_gradients) = (
        value_and_gradients(solver, source, parameters) for solver in ("fast", "dense")
    )
    tolerance = TOLERANCE if jitter >= 1e-4 else LOOSE
    assert relative(value, expected) < tolerance
    for got, wanted in zip(gradients, expected_gradients, strict=True):
        assert relative(got, wanted) < tolerance


@pytest.mark.parametrize("length_scale", [0.5, 0.79, 0.81, 3.0, 40.0])
def test_sigma_f_counts_too_and_so_do_length_scales_below_a_sample(length_scale):
    source = jnp.asarray(source_of("white", 257, 1.0, 0.1))
    parameters = jnp.log(jnp.asarray([length_scale / 256, 1.7, 0.02]))
    (value, gradients), (expected, wanted) = (
        value_and_gradients(solver, source, parameters) for solver in ("fast", "dense")
    )
    assert relative(value, expected) < TOLERANCE
    assert relative(gradients[1], wanted[1]) < TOLERANCE


def test_below_the_shortest_length_scale_the_kernel_is_white():
    source = jnp.asarray(source_of("white", 257, 1.0, 0.1))
    for length_scale in (1e-3, 0.1):
        parameters = jnp.log(jnp.asarray([length_scale / 256, 1.0, 1e-3]))
        value, _ = value_and_gradients("fast", source, parameters)
        expected = -0.5 * (257 * np.log(2 * np.pi * 1.001) + np.sum(np.asarray(source) ** 2) / 1.001)
        np.testing.assert_allclose(value, expected, rtol=TOLERANCE)


def test_a_vanishing_jitter_is_held_where_double_precision_still_factorises():
    source = jnp.asarray(source_of("sinusoid", 257, 1.0, 0.1))
    at_floor, below = (
        value_and_gradients("fast", source, jnp.log(jnp.asarray([0.3, 1.0, jitter])))[0]
        for jitter in (regular_grid.SMALLEST_NUGGET, 1e-20)
    )
    np.testing.assert_allclose(below, at_floor, rtol=1e-12)
    assert np.isfinite(at_floor)
