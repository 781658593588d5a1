"""The common interface of the linear methods: scikit-learn's conventions, exact inverses, errors."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from stradiff.data.simulate import simulate
from stradiff.errors import InputError, OptionError
from stradiff.linear import AMUSE, BASELINES, SOBI, Picard

EXPECTED_FAILURES = {
    "check_do_not_raise_errors_in_init_or_set_params": "the type checks of this suite refuse such values",
}
SEPARATORS = [cls() for cls in BASELINES.values()]
each = pytest.mark.parametrize("separator", SEPARATORS, ids=list(BASELINES))


@parametrize_with_checks(SEPARATORS, expected_failed_checks=lambda estimator: EXPECTED_FAILURES)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


def seeded(separator, **settings):
    separator = clone(separator).set_params(**settings)
    return separator.set_params(random_state=0) if "random_state" in separator.get_params() else separator


@pytest.fixture(scope="module")
def Y():
    return simulate("linear", n_channels=5, noise=0.1, seed=1).recording.values * 7 + 3


@each
def test_all_components_reconstruct_the_recording(separator, Y):
    separator = seeded(separator)
    S = separator.fit_transform(Y)
    np.testing.assert_allclose(separator.inverse_transform(S), Y, atol=1e-9)


@each
@pytest.mark.parametrize("n", [1, 3])
def test_fewer_components(separator, Y, n):
    separator = seeded(separator, n_components=n).fit(Y)
    assert separator.components_.shape == (n, 5)
    assert separator.mixing_.shape == (5, n)
    assert separator.mean_.shape == (5,)
    np.testing.assert_allclose(separator.components_ @ separator.mixing_, np.eye(n), atol=1e-9)


@each
def test_sources_are_white_ordered_and_signed(separator, Y):
    separator = seeded(separator, n_components=3)
    S = separator.fit_transform(Y)
    np.testing.assert_allclose(S.T @ S / len(S), np.eye(3), atol=1e-9)
    weights = separator.mixing_ / Y.std(axis=0)[:, None]
    assert (np.diff((weights**2).sum(axis=0)) <= 0).all()
    assert (weights[np.abs(weights).argmax(axis=0), np.arange(3)] > 0).all()


@each
def test_deterministic_given_the_seed(separator, Y):
    first, second = (seeded(separator).fit(Y).components_ for _ in range(2))
    np.testing.assert_array_equal(first, second)


@each
def test_frames_keep_names_and_index(separator, Y):
    frame = pd.DataFrame(Y, columns=list("abcde"))
    separator = seeded(separator, n_components=2).set_output(transform="pandas")
    S = separator.fit_transform(frame)
    prefix = type(separator).__name__.lower()
    assert list(S.columns) == [f"{prefix}0", f"{prefix}1"]
    assert list(separator.feature_names_in_) == list("abcde")


@each
def test_float32_recordings(separator, Y):
    separator = seeded(separator, n_components=3)
    single, double = (separator.fit_transform(Y.astype(dtype)) for dtype in ("f4", "f8"))
    np.testing.assert_allclose(np.abs(np.corrcoef(single.T, double.T)[:3, 3:]).max(axis=0), 1, atol=1e-3)


@each
def test_new_samples_pass_through_the_same_map(separator, Y):
    separator = seeded(separator).fit(Y)
    np.testing.assert_allclose(separator.transform(Y[:1]), separator.transform(Y)[:1], atol=1e-12)


def rank_two(Y):
    return np.column_stack([Y[:, :2], Y[:, :1] + Y[:, 1:2]])


@each
@pytest.mark.parametrize(
    ("settings", "change", "error"),
    [
        ({"n_components": 0}, lambda Y: Y, OptionError),
        ({"n_components": 6}, lambda Y: Y, OptionError),
        ({}, rank_two, InputError),
        ({"n_components": 3}, rank_two, InputError),
        ({}, lambda Y: np.where(np.arange(5) == 2, 1.0, Y), InputError),
        ({}, lambda Y: np.where(np.arange(5) == 2, np.nan, Y), InputError),
        ({}, lambda Y: Y * 1e200, InputError),
        ({}, lambda Y: Y[:, :1], InputError),
        ({}, lambda Y: Y[:4], InputError),
        ({}, lambda Y: Y[:, 0], InputError),
    ],
)
def test_refuses_unusable_recordings(separator, settings, change, error, Y):
    with pytest.raises(error):
        seeded(separator, **settings).fit(change(Y))


@each
def test_refuses_the_wrong_number_of_columns(separator, Y):
    separator = seeded(separator, n_components=3)
    with pytest.raises(NotFittedError):
        separator.inverse_transform(Y)
    separator.fit(Y)
    with pytest.raises(ValueError, match="4 features"):
        separator.transform(Y[:, :4])
    with pytest.raises(InputError, match="4 sources"):
        separator.inverse_transform(Y[:, :4])


@pytest.mark.parametrize("separator", [*(SOBI(lags=lags) for lags in (0, [], [0, 1], [1000])), AMUSE(lag=0)])
def test_refuses_lags_outside_the_recording(separator, Y):
    with pytest.raises(OptionError, match="lags"):
        separator.fit(Y)


def test_missing_picard_is_explained(monkeypatch, Y):
    monkeypatch.setitem(sys.modules, "picard", None)
    with pytest.raises(OptionError, match=r"stradiff\[baselines\]"):
        Picard().fit(Y)
