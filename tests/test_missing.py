"""Recordings with gaps, through the whole estimator: missing values have no influence, and are filled."""

from __future__ import annotations

import warnings

import jax
import numpy as np
import pytest
from as_users_call import as_users_call
from quick_compile import quick_compile
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from stradiff import StrADiff, simulate
from stradiff.config import Dense, Diffusion, Laplace, Training
from stradiff.data import interpolated, observed_mask, with_gaps
from stradiff.errors import InputError, OptionError
from stradiff.model import numerics
from stradiff.model.mixing import Linear
from stradiff.model.priors import GaussianProcess
from stradiff.posterior.channels import in_recording_channels
from stradiff.posterior.segments import Segments, find_posterior
from stradiff.prepare import Recordings, Request, prepare
from stradiff.train.loop import Loop

T = 60
SMALL = StrADiff(
    2,
    missing="mask",
    prior=GaussianProcess("matern12", length_scale=0.1),
    diffusion=Diffusion(n_steps=2, network=Dense(width=4, depth=1)),
    training=Training(max_epochs=5, tol=0),
    uncertainty=Laplace(n_draws=3),
    random_state=0,
)


@pytest.fixture(scope="module", autouse=True)
def _quick_and_as_users_call():
    with quick_compile(), as_users_call():
        yield


@pytest.fixture(scope="module")
def Y():
    return simulate("linear", n_samples=150, seed=0).recording.values[:T] * [1.0, 10.0, 0.1] + [0.0, 5.0, -3.0]


@pytest.fixture(scope="module")
def gappy(Y):
    values = Y.copy()
    values[10:14, 0] = values[30, 2] = values[40:43] = np.nan
    return values


def small(**changes):
    return clone(SMALL).set_params(**changes)


@pytest.fixture(scope="module")
def fit(gappy):
    return small().fit(gappy)


def assert_same(first, second):
    for name in ("sources_", "sources_std_", "reconstruction_", "length_scales_"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_without_gaps_the_mask_changes_nothing(Y):
    assert_same(small().fit(Y), small(missing="refuse").fit(Y))


def test_what_comes_out_is_complete(fit, gappy):
    assert fit.reconstruction_.shape == gappy.shape and np.isfinite(fit.reconstruction_).all()
    assert fit.sources_.shape == (T, 2) and np.isfinite(fit.sources_).all()
    np.testing.assert_array_equal(fit._separation.mask, ~np.isnan(gappy))


@pytest.mark.parametrize("n_sources", [2, 3])
def test_values_in_the_gaps_have_no_influence(gappy, n_sources):
    """Three sources of three channels: whitened, so that a missing channel hides a direction, no axis."""
    model = small(n_components=n_sources).fit(gappy)
    problem = prepare(Recordings((gappy,)), Request.of(model.get_params(deep=False)), Linear())
    separation, seen = model._separation, ~np.isnan(gappy)
    channels, in_channels = in_recording_channels(separation.normaliser, separation.model)
    results = []
    for filling in (0.0, 100.0 * np.nanstd(gappy, axis=0)):
        values = np.where(seen, gappy, filling)
        observed = separation.normaliser.forward(values).astype(np.float32)
        with numerics():
            loop = Loop(observed, None, separation.settings, separation.model, jax.random.key(0), problem.mask)
            loop.advance(5)
            posterior = find_posterior(in_channels, channels.forward(values), 1.0 * seen, None, Segments.whole(T))
        results.append((loop.history.as_dict()["total"], loop.state.model.at_mean(), posterior.mode))
    tolerance = 0.0 if n_sources == 2 else 1e-3  # a projection of large numbers leaves a rest in single precision
    for first, second in zip(*results, strict=True):
        np.testing.assert_allclose(second, first, rtol=tolerance, atol=tolerance)


def test_nats_are_counted_per_value_that_was_seen(gappy):
    for n_sources in (2, 3):  # three are whitened
        reports = []
        small(n_components=n_sources, training__callbacks=(reports.append,)).fit(gappy)
        assert reports[-1].n_values == np.isfinite(gappy).sum()


def test_gaps_with_times(gappy):
    times = np.sort(np.random.default_rng(0).random(T))
    model = small(prior="matern32").fit(gappy, times=times)
    assert np.isfinite(model.reconstruction_).all()


def test_gaps_are_filled_better_than_by_straight_lines_and_bands_are_wider_there():
    """Whole rows and single channels; noise-free, so that the error is that of the filling alone."""
    simulation = simulate("linear", n_samples=300, seed=101)
    values = with_gaps(simulation.recording.values, 0.1, 10, whole_rows=True, seed=101)
    values[50:56, 0] = np.nan
    missing, truth = np.isnan(values), simulation.noise_free
    diffusion, training = Diffusion(network="none"), Training(max_epochs=400, tol=0)
    model = StrADiff(3, prior="rbf", missing="mask", diffusion=diffusion, training=training, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        filled = model.fit(values).reconstruction_
    nowhere, somewhere = missing.all(axis=1), missing.any(axis=1)
    usual = model.sources_std_[~somewhere].mean(axis=0)
    wider = model.sources_std_[nowhere].mean(axis=0) / usual
    assert (wider > 1.0).all() and (wider > 2.0).any(), "cross-talk may outweigh a gap"
    assert (model.sources_std_[somewhere & ~nowhere].mean(axis=0) > 1.3 * usual).any(), "two channels for three sources"

    def error(estimate):
        return np.sqrt(np.mean((((estimate - truth) / truth.std(axis=0))[missing]) ** 2))

    assert error(filled) < 0.8 * error(interpolated(values, observed_mask(values)))


# --- rows never seen in training ------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_sources", "n_channels"), [(2, 3), (3, 5)])
def test_a_row_with_gaps_is_explained_by_the_channels_that_were_seen(n_sources, n_channels):
    values = simulate("linear", n_samples=150, n_channels=n_channels, seed=0).recording.values
    model = small(n_components=n_sources, training__max_epochs=0).fit(values)
    exact = model.inverse_transform(model.sources_)  # what the map can explain without a rest
    rows = with_gaps(exact, 0.1, seed=3)
    rows = rows[np.isfinite(rows).sum(axis=1) >= n_sources]
    kept = np.isfinite(with_gaps(exact, 0.1, seed=3)).sum(axis=1) >= n_sources
    assert np.isnan(rows).any()
    # The search has a ridge of 1e-6, which moves a direction that three of five channels show by a hundredth by 0.01.
    np.testing.assert_allclose(model.transform(rows), model.transform(exact[kept]), atol=0.01)


def test_a_row_with_too_little_is_refused(fit, gappy):
    with pytest.raises(InputError, match=r"Row 40 .*0 channels, too few for 2 sources"):
        fit.transform(gappy)
    row = np.array([[np.nan, np.nan, 1.0]])
    with pytest.raises(InputError, match=r"Row 0 .*1 channels, too few for 2 sources"):
        fit.transform(row)


# --- refusals ------------------------------------------------------------------------------------------------


def test_the_way_out_is_named(gappy):
    with pytest.raises(InputError, match=r"NaN, first at row 10 .*missing='mask'"):
        small(missing="refuse").fit(gappy)
    with pytest.raises(InputError, match=r"missing='mask'"):
        small(missing="refuse").fit(np.nan_to_num(gappy)).transform(gappy)


BAD = {
    "a channel without values": (lambda Y: np.where([True, False, False], np.nan, Y), "'channel 1' has no value"),
    "hardly any": (lambda Y: np.where((np.arange(T) > 3)[:, None] & [True, False, False], np.nan, Y), "only 4 of 60"),
    "infinite": (lambda Y: np.where(Y[3, 0] == Y, np.inf, Y), "inf"),
    "twins": (lambda Y: np.where((np.arange(T) == 9)[:, None], np.nan, Y[:, [0, 0, 0]]), "identical"),
}


@pytest.mark.parametrize(("change", "reason"), BAD.values(), ids=BAD)
def test_recordings_that_cannot_be_filled(Y, change, reason):
    with pytest.raises(InputError, match=reason) as caught:
        small().fit(change(Y))
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("missing", ["drop", None, True])
def test_other_ways_do_not_exist(Y, missing):
    with pytest.raises(OptionError, match="missing="):
        small(missing=missing).fit(Y)


# --- kept ----------------------------------------------------------------------------------------------------


def test_a_saved_fit_knows_its_gaps(fit, gappy, tmp_path):
    fit.save(tmp_path / "fit")
    again = StrADiff.load(tmp_path / "fit")
    assert_same(again, fit)
    assert again.missing == "mask"
    np.testing.assert_array_equal(again._separation.mask, ~np.isnan(gappy))
    rows = gappy[9:12]
    np.testing.assert_array_equal(again.transform(rows), fit.transform(rows))
