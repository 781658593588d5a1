"""Where training starts (Algorithm 1, line 1), by every rule."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick_compile import quick_compile
from short import changed, configuration

from stradiff import SOBI, FastICA, matched_correlation, simulate
from stradiff.config import Dense
from stradiff.errors import OptionError
from stradiff.initialise import initialise
from stradiff.linear import Picard
from stradiff.model.mixing import MLP, mixing_spec

T = 150
CONFIG = configuration(
    network=Dense(width=4), n_steps=2, init="sobi", standardise=True, output_scale=0.0, length_scale=0.1
)


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compile():
        yield


@pytest.fixture(scope="module")
def made():
    return simulate("linear", n_samples=T, n_channels=4, seed=0)


@pytest.fixture(scope="module")
def observed(made):
    Y = made.recording.values
    return (Y - Y.mean(axis=0)) / Y.std(axis=0)


@pytest.fixture(scope="module")
def start_at(observed):
    def start_at(guess=None, **parameters):
        return model_of(observed, changed(CONFIG, **parameters), guess)

    return start_at


def model_of(observed, config, guess=None):
    start = initialise(observed, None, config, guess=guess)
    return start.model(start.start(0), jax.random.key(0))


def sources_of(model):
    return np.asarray(model.at_mean()).T


@eqx.filter_jit
def mixed(model, sources):
    return model.mix(jnp.asarray(sources.T))


def test_random_starts_lie_at_zero(start_at):
    model = start_at(init="random", output_scale=1.0, start_sigma=(0.1, 0.2, 0.3))
    assert not np.asarray(model.branches.start.mean).any()
    np.testing.assert_allclose(np.exp(model.branches.start.log_sigma)[:, 0], [0.1, 0.2, 0.3], rtol=1e-6)
    np.testing.assert_allclose(model.priors.length_scales, 0.1, rtol=1e-6)
    assert np.asarray(model.branches.network.weight_out).any()


@pytest.mark.parametrize("standardise", [True, False])
def test_sobi_starts_at_its_sources_with_their_least_squares_map(start_at, observed, standardise):
    model = start_at(standardise=standardise)
    sources = sources_of(model)
    sobi = SOBI(n_components=3).fit_transform(observed)
    assert matched_correlation(sources, sobi).min() > 0.99999
    fitted = sobi @ np.linalg.lstsq(sobi, observed, rcond=None)[0]
    np.testing.assert_allclose(sources @ np.asarray(model.mixing.matrix).T, fitted, atol=1e-4)
    if not standardise:
        np.testing.assert_allclose(np.linalg.norm(model.mixing.matrix, axis=0), 1.0, rtol=1e-5)


@pytest.mark.parametrize(("init", "method"), [("fastica", FastICA), ("picard", Picard)])
def test_other_linear_methods_start_at_their_sources(start_at, observed, init, method):
    expected = method(3, random_state=0).fit_transform(observed)
    assert matched_correlation(sources_of(start_at(init=init)), expected).min() > 0.99999


def test_given_sources_are_where_it_starts(start_at, made):
    model = start_at(made.sources, init="given", mixing=MLP(linear_path=True, output_scale=0.0))
    assert matched_correlation(sources_of(model), made.sources).min() > 0.99999
    with pytest.raises(OptionError, match="needs the sources"):
        start_at(init="given")


@pytest.mark.parametrize("mixing", ["mlp", "residual", "post_nonlinear", "invertible"])
def test_every_map_starts_at_the_least_squares_fit(made, observed, mixing):
    """Where there are as many channels as sources; of more, it goes on from there."""
    observed = observed[:, :3]
    spec = mixing_spec(mixing).filled({"linear_path": True, "output_scale": 0.0})
    spec = spec.replace(knots=20) if mixing == "post_nonlinear" else spec
    model = model_of(observed.astype(np.float32), changed(CONFIG, init="given", mixing=spec), made.sources)
    sources = sources_of(model)
    fitted = sources @ np.linalg.lstsq(sources, observed, rcond=None)[0]
    np.testing.assert_allclose(sources @ np.asarray(model.mixing.matrix).T, fitted, atol=1e-4)
    # A post-nonlinear curve is within a few per cent of the identity where it has knots; the rest is exactly linear.
    close = 0.1 if mixing == "post_nonlinear" else 1e-4
    inside = np.abs(fitted).max(axis=1) < 2.5
    assert inside.mean() > 0.9
    np.testing.assert_allclose(mixed(model, sources)[inside], fitted[inside], atol=close)


def test_length_scales_start_where_their_sources_are_likeliest(start_at, made):
    """Slower sources at longer scales; and no other scale makes a source likelier, but for the least one there is."""
    model = start_at(made.sources, init="given", prior="rbf")
    assert (np.diff(np.asarray(model.priors.length_scales)) < 0).all(), "the true sources come slowest first"
    sources, log_prob = model.at_mean(), eqx.filter_jit(lambda prior, source: prior.log_prob(source, None))
    scales = np.asarray(model.priors.length_scales) * (T - 1)
    np.testing.assert_allclose(scales[2], 1.0, rtol=1e-5)  # a few samples to a cycle: one sample is the least
    for k in range(2):
        prior = model.priors.prior(k)
        here = log_prob(prior, sources[k])
        for factor in (0.8, 1.25):
            moved = eqx.tree_at(lambda p: p.log_length_scale, prior, prior.log_length_scale + np.log(factor))
            if not 1 / (model.n_samples - 1) < moved.length_scale < 1:
                continue  # candidates go from one sample to the whole record
            assert log_prob(moved, sources[k]) < here


def test_a_nonlinear_mixing_of_more_channels_begins_nearer_to_the_recording_than_a_line():
    made = simulate("leaky_relu", n_samples=T, n_channels=6, seed=0)
    Y = made.recording.values
    observed = ((Y - Y.mean(axis=0)) / Y.std(axis=0)).astype(np.float32)
    nonlinear = changed(CONFIG, mixing=MLP(width=16, linear_path=True, output_scale=0.1))
    model = model_of(observed, nonlinear)
    sources = sources_of(model)
    left = np.mean((observed - np.asarray(mixed(model, sources))) ** 2)
    line, *_ = np.linalg.lstsq(sources, observed, rcond=None)
    assert left < 0.5 * np.mean((observed - sources @ line) ** 2)
