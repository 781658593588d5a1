from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stradiff.model.mixing import InvertibleMap, LinearMap, MLPMap, PostNonlinearMap
from stradiff.posterior import unmix

N = 2
KEY = jax.random.key(0)


def sources_of(n_samples=50):
    return np.random.default_rng(0).standard_normal((n_samples, N))


def doubled(mixing):
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float64), mixing)


def nonlinear(n_channels):
    """A map whose nonlinearity is about a fifth of its linear part, so that it has one inverse."""
    mixing = MLPMap(N, n_channels, 8, 2, linear_path=True, output_scale=0.5, key=KEY)
    matrix = np.linalg.qr(np.random.default_rng(3).standard_normal((n_channels, N)))[0]
    return doubled(eqx.tree_at(lambda m: m.matrix, mixing, jnp.asarray(matrix)))


def regression(mixing, sources):
    """The initial value of the search: least squares, as after a fit."""
    observed = np.asarray(jax.vmap(mixing)(jnp.asarray(sources)))
    return jnp.asarray(np.linalg.lstsq(observed, sources, rcond=None)[0].T), jnp.asarray(observed)


@pytest.mark.parametrize("n_channels", [2, 5])
def test_a_linear_map_is_undone_by_least_squares(n_channels):
    mixing = doubled(LinearMap(N, n_channels, key=KEY))
    start, observed = regression(mixing, sources_of())
    np.testing.assert_allclose(unmix(mixing, observed, start), sources_of(), rtol=1e-8)
    noisy = observed + np.random.default_rng(1).standard_normal(observed.shape)
    expected = np.linalg.lstsq(np.asarray(mixing.matrix), np.asarray(noisy).T, rcond=None)[0].T
    np.testing.assert_allclose(unmix(mixing, noisy, start), expected, rtol=1e-8)


@pytest.mark.parametrize("n_channels", [2, 5])
def test_a_nonlinear_mixing_is_inverted(n_channels):
    """Up to the ridge of 1e-6."""
    mixing = nonlinear(n_channels)
    start, observed = regression(mixing, sources_of())
    assert np.abs(np.asarray(observed @ start.T) - sources_of()).max() > 0.05, "the mixing is nearly linear"
    np.testing.assert_allclose(unmix(mixing, observed, start), sources_of(), atol=1e-4)


@pytest.mark.parametrize("n_channels", [2, 5])
@pytest.mark.parametrize("make", [PostNonlinearMap, InvertibleMap])
def test_maps_with_an_inverse_are_undone_exactly_and_with_more_channels_by_search(make, n_channels):
    options = (4,) if make is PostNonlinearMap else (8, 1)
    rng = np.random.default_rng(4)
    mixing = doubled(make(N, n_channels, *options, key=KEY))
    mixing = jax.tree.map(lambda leaf: 1.3 * leaf + 0.8 * jnp.asarray(rng.standard_normal(leaf.shape)), mixing)
    matrix = np.linalg.qr(np.random.default_rng(3).standard_normal((n_channels, N)))[0]
    mixing = eqx.tree_at(lambda m: m.matrix, mixing, jnp.asarray(matrix))
    start, observed = regression(mixing, sources_of())
    assert np.abs(np.asarray(observed @ start.T) - sources_of()).max() > 0.01, "the mixing is nearly linear"
    unmixed = np.asarray(unmix(mixing, observed, start))
    np.testing.assert_allclose(unmixed, sources_of(), atol=1e-9 if n_channels == N else 1e-4)


def test_rows_are_independent():
    mixing = nonlinear(3)
    start, observed = regression(mixing, sources_of())
    together = np.asarray(unmix(mixing, observed, start))
    np.testing.assert_allclose(unmix(mixing, observed[::-1], start), together[::-1], rtol=1e-9)
    np.testing.assert_allclose(unmix(mixing, observed[7:8], start), together[7:8], rtol=1e-9)


def test_the_search_never_ends_above_its_initial_cost():
    mixing = nonlinear(3)
    start, observed = regression(mixing, sources_of())
    far = 30.0 * observed + np.random.default_rng(2).standard_normal(observed.shape)

    def cost(sources):
        misfit = far - jax.vmap(mixing)(sources)
        return np.asarray(jnp.sum(misfit**2, axis=1) + 1e-6 * jnp.sum(sources**2, axis=1))

    unmixed = unmix(mixing, far, start)
    assert np.isfinite(unmixed).all()
    assert (cost(unmixed) <= cost(far @ start.T)).all()


@pytest.mark.parametrize("mixing", [LinearMap(N, 3, key=KEY), MLPMap(N, 3, 8, 2, linear_path=True, key=KEY)])
def test_rows_far_outside_stay_finite(mixing):
    rows = jnp.asarray([[1e100, -1e100, 0.0], [0.0, 0.0, 1e30]])
    assert np.isfinite(unmix(mixing, rows, jnp.eye(N, 3))).all()
