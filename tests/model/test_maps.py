"""What every network and every mixing map keeps, over all there are; and what single ones promise beyond it."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stradiff.model.diffusion.networks import (
    ConvolutionalNetwork,
    DenseNetwork,
    MaskedConvolutionalNetwork,
    Network,
    ReceptiveField,
)
from stradiff.model.mixing import InvertibleMap, LinearMap, Mixing, MLPMap, PostNonlinearMap

T, N, M = 30, 3, 5
KEY = jax.random.key(0)
NETWORKS = {
    "shallow": lambda key: DenseNetwork(T, 8, 1, key=key),
    "deep": lambda key: DenseNetwork(T, 8, 3, key=key),
    "one-unit": lambda key: DenseNetwork(T, 1, 2, key=key),
    "convolutional": lambda key: ConvolutionalNetwork(ReceptiveField(8, 2), 6, key=key),
}
MIXINGS = {
    "linear": lambda key: LinearMap(N, M, key=key),
    "linear-free": lambda key: LinearMap(N, M, unit_columns=False, key=key),
    "mlp": lambda key: MLPMap(N, M, 6, 1, key=key),
    "mlp-deep": lambda key: MLPMap(N, M, 6, 3, key=key),
    "mlp-linear-path": lambda key: MLPMap(N, M, 6, 2, linear_path=True, key=key),
    "post-nonlinear": lambda key: PostNonlinearMap(N, M, 4, key=key),
    "invertible": lambda key: InvertibleMap(N, M, 6, 2, key=key),
}
SQUARE = {
    "linear": lambda n, key: LinearMap(n, n, key=key),
    "post-nonlinear": lambda n, key: PostNonlinearMap(n, n, 4, key=key),
    "invertible": lambda n, key: InvertibleMap(n, n, 6, 2, key=key),
}
every_network = pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
every_mixing = pytest.mark.parametrize("make", MIXINGS.values(), ids=MIXINGS)


def subclasses(interface):
    return {sub for direct in interface.__subclasses__() for sub in (direct, *subclasses(direct))}


def test_no_implementation_is_left_out_of_these_tests():
    for interface, table in ((Network, NETWORKS), (Mixing, MIXINGS)):
        own = {cls for cls in subclasses(interface) if cls.__module__.startswith("stradiff.")}
        own -= {MaskedConvolutionalNetwork}  # wraps another network; tested in test_group
        assert own == {type(make(KEY)) for make in table.values()}


@every_network
def test_networks(make):
    network = make(KEY)
    trajectories = jax.random.normal(jax.random.key(1), (2, T), jnp.float32)

    @eqx.filter_jit
    @eqx.filter_value_and_grad(has_aux=True)
    def many(network, trajectories):
        noise = jax.vmap(network, in_axes=(0, None))(trajectories, jnp.float32(0.5))
        return jnp.sum(noise**2), noise

    (_, noise), gradient = many(network, trajectories)
    assert noise.shape == (2, T) and noise.dtype == jnp.float32
    assert np.isfinite(noise).all()
    np.testing.assert_allclose(noise[1], network(trajectories[1], jnp.float32(0.5)), rtol=1e-5, atol=1e-6)
    assert all(np.asarray(leaf).any() for leaf in jax.tree.leaves(gradient)), "a parameter without effect"
    elsewhere = network(trajectories[0], jnp.float32(0.05))
    assert np.abs(np.asarray(elsewhere - noise[0])).max() > 1e-6, "the noise level has no effect"


@pytest.mark.parametrize("name", ["shallow", "deep", "one-unit"])
def test_dense_networks_are_their_three_parts(name):
    network, trajectory, level = (
        NETWORKS[name](KEY),
        jax.random.normal(jax.random.key(1), (T,), jnp.float32),
        jnp.float32(0.3),
    )
    parts = network.decode(network.core(network.encode(trajectory), level))
    np.testing.assert_array_equal(network(trajectory, level), parts)


def test_a_network_that_starts_silent():
    network = DenseNetwork(T, 8, 2, output_scale=0.0, key=KEY)
    assert not np.asarray(network(jnp.ones(T, jnp.float32), jnp.float32(1.0))).any()


@every_mixing
def test_mixings(make):
    mixing = make(KEY)
    sources = jax.random.normal(jax.random.key(1), (4, N), jnp.float32)

    @eqx.filter_jit
    @eqx.filter_value_and_grad(has_aux=True)
    def many(mixing, sources):
        observed = jax.vmap(mixing)(sources)
        return jnp.sum(observed**2), observed

    (_, observed), gradient = many(mixing, sources)
    assert observed.shape == (4, M) and observed.dtype == jnp.float32
    assert np.isfinite(observed).all()
    np.testing.assert_allclose(observed[2], mixing(sources[2]), rtol=1e-5, atol=1e-6)
    assert all(np.asarray(leaf).any() for leaf in jax.tree.leaves(gradient)), "a parameter without effect"
    jacobian = np.asarray(jax.jacfwd(mixing)(sources[0]))
    assert jacobian.shape == (M, N) and (np.abs(jacobian).max(axis=0) > 1e-3).all(), "a source without effect"


@every_mixing
def test_normalising_twice_is_normalising_once(make):
    once = make(KEY).normalised()
    for first, second in zip(jax.tree.leaves(once), jax.tree.leaves(once.normalised()), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-6)


@pytest.mark.parametrize("unit_columns", [True, False])
def test_columns_of_a_linear_map(unit_columns):
    mixing = LinearMap(N, M, unit_columns=unit_columns, key=KEY)
    np.testing.assert_allclose(np.linalg.norm(mixing.matrix, axis=0), 1.0, rtol=1e-6)
    stretched = eqx.tree_at(lambda m: m.matrix, mixing, mixing.matrix * jnp.asarray([0.1, 1.0, 7.0])[None, :])
    after = stretched.normalised()
    np.testing.assert_allclose(after.matrix, (mixing if unit_columns else stretched).matrix, rtol=1e-6)


@pytest.mark.parametrize("make", [MIXINGS["linear"], MIXINGS["linear-free"]], ids=["linear", "linear-free"])
def test_linear_maps_are_linear(make):
    mixing = make(KEY)
    first, second = jax.random.normal(jax.random.key(1), (2, N), jnp.float32)
    together = mixing(2.0 * first - 3.0 * second)
    np.testing.assert_allclose(together, 2.0 * mixing(first) - 3.0 * mixing(second), rtol=1e-4, atol=1e-5)


def test_a_small_output_scale_leaves_the_linear_path():
    key = jax.random.key(4)
    mixing = MLPMap(N, M, 6, 2, linear_path=True, output_scale=0.0, key=key)
    source = jax.random.normal(key, (N,), jnp.float32)
    np.testing.assert_allclose(mixing(source), mixing.matrix @ source, rtol=1e-6)


@pytest.mark.parametrize("width", [20, 300])
def test_layers_start_with_the_variance_their_sources_give(width):
    """Glorot & Bengio: 2 / (in + out) in the map; LeCun: uniform within 1 / sqrt(in), so 1 / (3 in), in the branch."""
    weight = np.asarray(MLPMap(width, width, width, 1, key=KEY).weights[0])
    network = np.asarray(DenseNetwork(width, width, 1, key=KEY).weight_out)
    for values, variance in ((weight, 1 / width), (network, 1 / (3 * width))):
        # The variance of a sample variance is below 2 variance^2 / count for both laws.
        assert abs(values.var() - variance) < 5 * variance * np.sqrt(2 / values.size)
    assert np.abs(network).max() <= 1 / np.sqrt(width)


def doubled_at_random(mixing, spread=1.0):
    """Every parameter in double precision and moved away from where it starts, but for a matrix far from singular."""
    rng = np.random.default_rng(0)
    moved = jax.tree.map(lambda leaf: jnp.asarray(leaf + spread * rng.standard_normal(leaf.shape)), mixing)
    matrix = np.eye(*mixing.matrix.shape) + 0.2 * rng.standard_normal(mixing.matrix.shape)
    return eqx.tree_at(lambda m: m.matrix, moved, jnp.asarray(matrix))


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("make", SQUARE.values(), ids=SQUARE)
def test_inverses(make, n):
    mixing = doubled_at_random(make(n, KEY))
    sources = 3.0 * jax.random.normal(jax.random.key(1), (20, n), jnp.float64)
    observed = jax.vmap(mixing)(sources)
    np.testing.assert_allclose(jax.vmap(mixing.inverse)(observed), sources, rtol=1e-7, atol=1e-7)
    back = jax.vmap(mixing)(jax.vmap(mixing.inverse)(sources))
    np.testing.assert_allclose(back, sources, rtol=1e-7, atol=1e-7, err_msg="not every observation has an origin")


@pytest.mark.parametrize("name", ["mlp", "mlp-linear-path", "post-nonlinear", "invertible"])
def test_where_no_inverse_can_be_written_down(name):
    assert MIXINGS[name](KEY).inverse(jnp.zeros(M, jnp.float32)) is None


@pytest.mark.parametrize("n_knots", [1, 2, 8, 30])
def test_post_nonlinear_curves_start_near_the_identity(n_knots):
    level = jnp.linspace(-3.0, 3.0, 61, dtype=jnp.float32)
    curves = jax.vmap(PostNonlinearMap(N, 1, n_knots, key=KEY).curves)(level[:, None])[:, 0]
    # At the ends the tangents beyond the last knot are missing: at most half a spacing of half the slope, and the
    # ripple between knots is smaller.
    assert np.abs(curves - level).max() < 0.25 + 1.5 / n_knots
    if n_knots >= 8:
        np.testing.assert_allclose(curves[10:51], level[10:51], atol=0.02)


def test_post_nonlinear_curves_increase_whatever_is_learned():
    mixing = doubled_at_random(PostNonlinearMap(N, M, 8, key=KEY), spread=3.0)
    curves = np.asarray(jax.vmap(mixing.curves)(jnp.linspace(-50.0, 50.0, 2001)[:, None] * jnp.ones((1, M))))
    assert (np.diff(curves, axis=0) > 0).all()


def test_post_nonlinear_maps_are_curves_of_single_channels():
    """g_j depends on the sources through a_j . s alone."""
    mixing = doubled_at_random(PostNonlinearMap(N, M, 8, key=KEY))
    source = jnp.asarray([0.3, -1.0, 2.0])
    slope = np.asarray(jax.jacfwd(mixing)(source)) / np.asarray(mixing.matrix)
    np.testing.assert_allclose(slope, slope[:, [0]] * np.ones((1, N)), rtol=1e-9)


def test_silent_couplings_leave_the_matrix():
    mixing = InvertibleMap(N, M, 6, 2, output_scale=0.0, key=KEY)
    source = jax.random.normal(jax.random.key(1), (N,), jnp.float32)
    np.testing.assert_allclose(mixing(source), mixing.matrix @ source, rtol=1e-6)


def test_couplings_keep_what_they_see_and_stretch_within_bounds():
    coupling = doubled_at_random(InvertibleMap(4, 4, 6, 1, key=KEY), spread=20.0).couplings[0]
    channels = jax.random.normal(jax.random.key(1), (4,), jnp.float64)
    slope = np.asarray(jax.jacfwd(coupling)(channels))
    np.testing.assert_allclose(coupling(channels)[1::2], channels[1::2])
    assert (np.abs(np.log(np.diag(slope))) <= 1.5).all() and slope[0, 2] == 0
