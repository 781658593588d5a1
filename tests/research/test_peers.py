"""The nonlinear peers separate what their papers say they separate."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from contest.peers import IVAE, PCL
from contest.peers.ivae import log_normal
from contest.peers.networks import MLP, leaky_relu, maxout
from quick_compile import quick_compile
from scipy.signal import lfilter
from scipy.stats import norm

from stradiff import FastICA, matched_correlation
from stradiff.data.mixings import random_network


def standardised(S):
    return (S - S.mean(axis=0)) / S.std(axis=0)


def mixed(S, n_channels):
    network = random_network(S.shape[1], n_channels, 2, "leaky_relu", 0.2, 3.0, 101)
    return network.calibrated(S)(S)


def test_networks_are_the_formulas():
    x = jnp.asarray([[1.0, -2.0], [0.5, 3.0]])
    with quick_compile():
        net = MLP([2, 3, 1], leaky_relu, key=jax.random.key(0))
        maxout_shape = MLP([2, 4, 3], maxout, pieces=2, key=jax.random.key(0)).weights[0].shape
    first, second = (np.asarray(weight) for weight in net.weights)
    hidden = np.asarray(x) @ first
    by_hand = np.where(hidden > 0, hidden, 0.1 * hidden) @ second
    np.testing.assert_allclose(net(x), by_hand, rtol=1e-5)
    assert maxout_shape == (2, 8)
    np.testing.assert_array_equal(maxout(jnp.asarray([[1.0, 5.0, -2.0, -3.0]])), [[5.0, -2.0]])


def test_log_normal_is_that_of_scipy():
    x, mean, variance = np.random.default_rng(0).standard_normal((3, 5, 2))
    expected = norm.logpdf(x, mean, np.exp(variance / 2)).sum(axis=1)
    np.testing.assert_allclose(log_normal(x, mean, variance), expected, rtol=1e-4)


def test_pcl_separates_autoregressive_sources_with_heavy_tails():
    innovations = np.random.default_rng(100).laplace(size=(4000, 2))
    S = standardised(lfilter([1], [1, -0.7], innovations, axis=0))
    Y = mixed(S, 2)
    sources = PCL(2, steps=1000).fit_transform(Y)
    linear = matched_correlation(FastICA(random_state=0).fit_transform(Y), S, "spearman").min()
    assert matched_correlation(sources, S, "spearman").min() > max(0.98, linear)


def test_ivae_separates_sources_whose_variance_changes():
    rng = np.random.default_rng(100)
    S = standardised(np.repeat(rng.uniform(0.2, 3, (20, 2)), 100, axis=0) * rng.standard_normal((2000, 2)))
    Y = mixed(S, 3)
    method = IVAE(2, n_segments=20, steps=1200)
    sources = method.fit_transform(Y)
    assert matched_correlation(sources, S).mean() > 0.9
    assert method.reconstruction_.shape == Y.shape
    assert ((method.reconstruction_ - Y).var(axis=0) < 0.05 * Y.var(axis=0)).all()


@pytest.mark.parametrize("peer", [IVAE, PCL])
def test_the_same_seed_gives_the_same_answer(peer):
    Y = np.random.default_rng(1).standard_normal((60, 4)).cumsum(axis=0)
    with quick_compile():
        first, again = (peer(2, steps=5, random_state=3).fit_transform(Y) for _ in range(2))
    assert first.shape == (60, 2) and np.isfinite(first).all() and (first.std(axis=0) > 0).all()
    np.testing.assert_array_equal(first, again)
