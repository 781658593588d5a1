"""Input of the estimator: arrays, frames, precisions, times, starts, nested parameters, and bad input of every kind."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from as_users_call import as_users_call
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from quick_compile import quick_compile
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stradiff import (
    MLP,
    Autoregression,
    Dense,
    Diffusion,
    GaussianProcess,
    MonteCarlo,
    Objective,
    PostNonlinear,
    Recording,
    StrADiff,
    StrADiffError,
    Training,
    pipeline,
    simulate,
)
from stradiff.errors import InputError, InsufficientMemoryError, NumericsError, OptionError

T = 60
SMALL = StrADiff(  # quick to compile
    2,
    prior=GaussianProcess("matern12", length_scale=0.1),
    diffusion=Diffusion(n_steps=2, network=Dense(width=4, depth=1)),
    objective=Objective(lambda_volume=0.0),
    training=Training(max_epochs=5, tol=0.0),
    uncertainty=MonteCarlo(n_draws=3),
    random_state=0,
)
RESULTS = ("sources_", "sources_std_", "reconstruction_", "mixing_", "length_scales_")


@pytest.fixture(scope="module", autouse=True)
def _quick_and_as_users_call():
    with quick_compile(), as_users_call():
        yield


@pytest.fixture(scope="module")
def Y():
    return simulate("linear", n_samples=150, seed=0).recording.values[:T] * [1.0, 10.0, 0.1] + [0.0, 5.0, -3.0]


def small(**changes):
    """The estimator with parameters changed, nested ones as in ``training__max_epochs``."""
    return clone(SMALL).set_params(**changes)


@pytest.fixture(scope="module")
def plain(Y):
    return small().fit(Y)


def assert_same(first, second, **tolerance):
    for name in RESULTS:
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), **tolerance)


# --- the same in other containers ----------------------------------------------------------------------------


def test_same_seed_same_bits(Y, plain):
    again = small().fit(Y)
    assert_same(again, plain, rtol=0, atol=0)
    assert (small(random_state=1).fit(Y).sources_ != plain.sources_).any()
    np.testing.assert_array_equal(small().fit_transform(Y), plain.sources_)


def test_single_precision_stays_single(Y, plain):
    single = small().fit(Y.astype(np.float32))
    for values in (single.sources_, single.sources_std_, single.reconstruction_):
        assert values.dtype == np.float32
    assert single.transform(Y[:3].astype(np.float32)).dtype == np.float32
    assert single.inverse_transform(single.sources_).dtype == np.float32
    assert single.sample_sources(1).dtype == np.float32
    assert plain.sources_.dtype == plain.transform(Y[:3]).dtype == np.float64
    np.testing.assert_allclose(single.sources_, plain.sources_, atol=1e-2)


def test_frames_keep_names_and_index(Y, plain):
    index = pd.Index([f"row {t}" for t in range(T)])
    frame = pd.DataFrame(Y, columns=["ankle", "thigh", "trunk"], index=index)
    model = small().set_output(transform="pandas")
    S = model.fit_transform(frame)
    assert list(S.columns) == list(model.get_feature_names_out()) == ["stradiff0", "stradiff1"]
    assert S.index.equals(index)
    assert list(model.feature_names_in_) == ["ankle", "thigh", "trunk"]
    np.testing.assert_array_equal(S, plain.sources_)
    np.testing.assert_allclose(model.transform(frame), plain.transform(Y))
    with pytest.raises(ValueError, match="feature names"):
        model.transform(frame[["thigh", "ankle", "trunk"]])


def test_in_a_pipeline(Y, plain):
    steps = make_pipeline(StandardScaler(), small())
    S = steps.fit_transform(Y)
    np.testing.assert_allclose(S, plain.sources_, atol=1e-2)
    assert list(steps.get_feature_names_out()) == ["stradiff0", "stradiff1"]
    np.testing.assert_allclose(steps.inverse_transform(S), plain.reconstruction_, atol=1e-2 * Y.std(axis=0).max())


def test_a_clone_is_unfitted_and_fits_the_same(Y, plain):
    copy = clone(plain)
    assert copy.get_params() == plain.get_params()
    for call in (copy.transform, copy.inverse_transform, copy.save):
        with pytest.raises(NotFittedError):
            call(Y)
    with pytest.raises(NotFittedError):
        copy.sample_sources()


def test_units_and_offsets_of_the_channels_do_not_count(Y, plain):
    factor = np.array([4.0, 0.25, 1024.0])
    other = small().fit(Y * factor - 7.0)
    np.testing.assert_allclose(other.sources_, plain.sources_, atol=1e-2)
    np.testing.assert_allclose(other.mixing_ / factor[:, None], plain.mixing_, atol=1e-2 * np.abs(plain.mixing_).max())


def test_channels_have_no_order(Y, plain):
    other = small().fit(Y[:, [2, 0, 1]])
    np.testing.assert_allclose(np.abs(other.mixing_), np.abs(plain.mixing_[[2, 0, 1]]), atol=0.05 * Y.std())
    for k in range(2):
        assert abs(np.corrcoef(other.sources_[:, k], plain.sources_[:, k])[0, 1]) > 0.99


# --- times ---------------------------------------------------------------------------------------------------


def test_regular_times_give_the_same_bits_as_none(Y, plain):
    times = 100.0 + 0.02 * np.arange(T)
    timed = small().fit(Y, times=times)
    assert_same(timed, plain, rtol=0, atol=0)
    np.testing.assert_array_equal(timed.times_, times)
    np.testing.assert_allclose(timed.span_, 0.02 * (T - 1))


@pytest.mark.parametrize("prior", ["rbf", "matern12"])
def test_irregular_times(Y, prior):
    times = np.sort(np.random.default_rng(0).random(T))
    fit, later, other = (
        small(prior=prior, prior__length_scale=0.1).fit(Y, times=stamps)
        for stamps in (times, 8.0 * times + 64.0, times**2)
    )
    assert np.isfinite(fit.sources_).all() and np.isfinite(fit.history_["total"]).all()
    assert_same(fit, later, rtol=1e-4, atol=1e-4)  # neither unit nor origin of time counts
    np.testing.assert_allclose(later.span_, 8.0 * fit.span_)
    assert (fit.history_["prior"] != other.history_["prior"]).any()


# --- nested parameters ---------------------------------------------------------------------------------------


def test_nested_parameters_are_listed_set_and_cloned():
    model = small(mixing="mlp", mixing__width=8, training__max_epochs=2, diffusion__network__width=6)
    params = model.get_params(deep=True)
    names = ("mixing__width", "training__max_epochs", "training__tol", "diffusion__network__width", "prior__kernel")
    assert [params[name] for name in names] == [8, 2, 0.0, 6, "matern12"]
    assert clone(model).get_params() == params and SMALL.training.max_epochs == 5
    assert small(mixing__width=9, mixing="mlp").mixing.width == 9, "in whichever order they are given"
    assert StrADiff().set_params(training__max_epochs=7).training == Training(max_epochs=7)
    assert eval(repr(model)).get_params() == params


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"colour": 1}, "Invalid parameter 'colour'"),
        ({"colour__width": 1}, "Invalid parameter 'colour'"),
        ({"training__colour": 1}, "Training has no parameter 'colour'; it has max_epochs"),
        ({"mixing": "auto", "mixing__width": 3}, "mixing='auto' has no parameter 'width'; set mixing itself first"),
        ({"diffusion__n_steps__width": 3}, "n_steps=2 has no parameter 'width'"),
        ({"preset__width": 3}, "preset='default' has no parameter 'width'"),
    ],
)
def test_nested_parameters_that_do_not_exist(params, message):
    with pytest.raises(ValueError, match=message):
        small(**params)


def test_a_grid_search_over_the_width_of_a_network(Y):
    def score(model, values, y=None):
        return -np.mean((model.inverse_transform(model.transform(values)) - values) ** 2)

    model = small(mixing="mlp", training__max_epochs=1)
    search = GridSearchCV(model, {"mixing__width": [2, 3]}, scoring=score, cv=2, refit=False, error_score="raise")
    results = search.fit(Y).cv_results_
    assert list(results["param_mixing__width"]) == [2, 3]
    assert np.isfinite(results["mean_test_score"]).all() and len(set(results["mean_test_score"])) == 2


# --- starts --------------------------------------------------------------------------------------------------


def test_given_sources_are_where_training_starts(Y):
    guess = np.random.default_rng(0).standard_normal((T, 2))
    model = small(init=guess, training__max_epochs=0, diffusion__start_sigma=1e-6).fit(Y)
    assert model.n_epochs_ == 0 and set(model.history_) >= {"total", "length_scales"}
    assert all(len(rows) == 0 for rows in model.history_.values())
    correlation = np.abs(np.corrcoef(model.sources_.T, guess.T)[:2, 2:])
    np.testing.assert_allclose(np.sort(correlation.max(axis=1)), 1.0, rtol=1e-5)


def test_values_for_each_source_reach_their_source(Y):
    priors = [GaussianProcess("matern12", length_scale=length) for length in (0.05, 0.4)]
    model = small(prior=priors, training__max_epochs=1).fit(Y)
    np.testing.assert_allclose(np.sort(model.history_["length_scales"][0]), [0.05, 0.4], rtol=0.05)  # after one step


# --- endings -------------------------------------------------------------------------------------------------


def test_a_fit_that_had_not_settled_says_which_parameter_to_change(Y):
    with pytest.warns(ConvergenceWarning, match=r"raise max_epochs, or raise tol"):
        model = small(training__tol=1e-9).fit(Y)
    assert [one["kind"] for one in model.diagnostics_].count("ending") == 1 and not model.converged_


def test_a_diverging_fit_keeps_the_last_good_state_and_names_the_parameter(Y):
    with pytest.warns(ConvergenceWarning, match=r"learning_rate \(now 1e\+06\)"):
        model = small(training__learning_rate=1e6, training__max_epochs=300).fit(Y)
    assert model.n_epochs_ < 300
    assert all(np.isfinite(getattr(model, name)).all() for name in RESULTS)
    assert np.isfinite(model.transform(Y)).all() and np.isfinite(model.sample_sources(2)).all()


def test_an_interrupted_fit_is_usable(Y):
    def interrupt(report):
        raise KeyboardInterrupt

    with pytest.warns(ConvergenceWarning, match="Stopped by hand after 5 of 5"):
        model = small(training__callbacks=[interrupt]).fit(Y)
    assert model.interrupted_ and model.n_epochs_ == 5
    assert np.isfinite(model.transform(Y)).all() and model.reverse_path().shape == (3, T, 2)


def refuse(report):
    raise RuntimeError("no")


def test_a_first_fit_that_failed_is_none(Y):
    model = small()
    for changes in ({"n_components": 9}, {"n_components": 2, "training__callbacks": [refuse]}):
        with pytest.raises((OptionError, RuntimeError)):
            model.set_params(**changes).fit(Y)
        assert not hasattr(model, "n_features_in_")
        with pytest.raises(NotFittedError):
            model.transform(Y)


def test_a_fit_that_failed_leaves_the_one_before_it_whole(Y, tmp_path):
    model = small().fit(Y)
    before = dict(vars(model))
    model.set_params(training__callbacks=[refuse])
    with pytest.raises(RuntimeError):
        model.fit(Y[: T - 9, :2], times=np.arange(T - 9.0))
    assert {**vars(model), "training": SMALL.training} == before
    model.save(tmp_path / "fit")
    np.testing.assert_array_equal(StrADiff.load(tmp_path / "fit").transform(Y), model.transform(Y))


def test_a_progress_bar_where_it_is_wanted(Y, capfd):
    small().fit(Y)
    assert capfd.readouterr() == ("", "")
    small(verbose=True).fit(Y)
    out, err = capfd.readouterr()
    assert out == "" and "5/5" in err


def test_the_memory_it_needs_is_shown_before_it_is_taken(Y, capfd, monkeypatch):
    shown = []
    monkeypatch.setattr(pipeline, "initialise", lambda *_, **__: shown.append(capfd.readouterr().err) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        small(verbose=True).fit(Y)
    assert re.fullmatch(r"Needs about [\d.]+ GiB of memory.\n", shown[0])


# --- bad input: one sentence each ----------------------------------------------------------------------------


def with_cell(value):
    return lambda Y: np.where((np.arange(T)[:, None] == 3) & (np.arange(3) == 1), value, Y)


BAD_RECORDINGS = {
    "a path": (lambda Y: "good.csv", "path 'good.csv'.*read it with stradiff.read_recording"),
    "another path": (lambda Y: Path("good.csv"), "path 'good.csv'.*read it with stradiff.read_recording"),
    "a Recording": (Recording, "a Recording.*pass its .values, and times=.times"),
    "two rows": (lambda Y: Y[:2], "2 samples of 3 channels"),
    "NaN": (with_cell(np.nan), "channel 2.*NaN.*row 3"),
    "infinite": (with_cell(np.inf), "channel 2.*inf.*row 3"),
    "constant channel": (lambda Y: np.where(np.arange(3) == 1, 2.0, Y), "channel 2.*constant"),
    "duplicate channel": (lambda Y: Y[:, [0, 0]], "channel 1.*channel 2.*identical"),
    "one row": (lambda Y: Y[:1], "n_samples = 1"),
    "no rows": (lambda Y: Y[:0], "n_samples = 0"),
    "one channel": (lambda Y: Y[:, :1], "n_features = 1"),
    "no channel": (lambda Y: Y[:, :0], "no channel"),
    "two samples": (lambda Y: Y[:2, :2], "2 samples are too few|independent signals"),
    "a vector": (lambda Y: Y[:, 0], "2-D"),
    "three axes": (lambda Y: Y[None], "2-D"),
    "strings": (lambda Y: Y.astype(str), "not numbers"),
    "strings in a frame": (lambda Y: pd.DataFrame({"a": Y[:, 0], "b": ["x"] * T}), "'x' at row 0"),
    "truth values": (lambda Y: Y > 0, "True and False"),
    "complex": (lambda Y: 1j * Y, "[Cc]omplex"),
    "ragged": (lambda Y: [[1.0, 2.0], [3.0]], "rows differ"),
    "nothing": (lambda Y: None, "None was given"),
    "enormous": (lambda Y: 1e200 * Y, "larger unit"),
    "tiny": (lambda Y: 1e-200 * Y, "smaller unit|constant"),
    "two columns of one name": (lambda Y: pd.DataFrame(Y, columns=list("aab")), "both named 'a'"),
}


@pytest.mark.parametrize(("change", "reason"), BAD_RECORDINGS.values(), ids=BAD_RECORDINGS)
def test_recordings_that_cannot_be_separated(Y, change, reason):
    with pytest.raises(InputError, match=reason) as caught:
        small().fit(change(Y))
    assert_one_sentence(caught.value)


def assert_one_sentence(error):
    text = str(error)
    assert text.endswith(".") and "\n" not in text and len(text) < 350


GRID = np.arange(float(T))
BAD_TIMES = {
    "backwards": (GRID[::-1], "do not increase at row 1"),
    "repeated": (np.where(GRID == 4, 3.0, GRID), "row 4.*3 follows 3"),
    "NaN": (np.where(GRID == 4, np.nan, GRID), "row 4.* is nan"),
    "too few": (GRID[:-1], "59"),
    "a column": (GRID[:, None], "shape"),
    "strings": (GRID.astype(str), "not numbers"),
    "dates": (pd.date_range("2020-01-01", periods=T), "not numbers"),
    "a number": (3.0, "shape"),
}


@pytest.mark.parametrize(("times", "reason"), BAD_TIMES.values(), ids=BAD_TIMES)
def test_times_that_are_none(Y, times, reason):
    with pytest.raises(InputError, match=reason) as caught:
        small().fit(Y, times=times)
    assert_one_sentence(caught.value)


BAD_STARTS = {
    "wrong shape": (np.ones((T, 3)), InputError, r"shape \(60, 3\).*\(60, 2\)"),
    "transposed": (np.ones((2, T)), InputError, r"shape \(2, 60\)"),
    "constant": (np.ones((T, 2)), InputError, "constant"),
    "NaN": (np.full((T, 2), np.nan), InputError, "finite"),
    "strings": ([["a", "b"]], InputError, "not numbers"),
    "ragged": ([[1.0], [2.0, 3.0]], InputError, "rows differ"),
    "a number": (5, InputError, "shape"),
    "an unknown name": ("pca", OptionError, "init='pca'.*sobi"),
    "a promise": ("given", OptionError, "needs the sources"),
}


@pytest.mark.parametrize(("init", "error", "reason"), BAD_STARTS.values(), ids=BAD_STARTS)
def test_starts_that_are_none(Y, init, error, reason):
    with pytest.raises(error, match=reason) as caught:
        small(init=init).fit(Y)
    assert_one_sentence(caught.value)


BAD_OPTIONS = [
    ("n_components", 0),
    ("n_components", 4),
    ("n_components", 2.0),
    ("n_components", "2"),
    ("mixing", "cubic"),
    ("mixing", ["linear"]),
    ("prior", "fractal"),
    ("prior", ["rbf"]),
    ("preset", "best"),
    ("preset", ["default"]),
    ("missing", "drop"),
    ("normalise", "scale"),
    ("n_restarts", 0),
    ("diffusion", 3),
    ("training", "long"),
    ("uncertainty", "bootstrap"),
    ("verbose", "yes"),
    ("checkpoint", ""),
    ("checkpoint", 3),
    ("training__max_epochs", -1),
    ("training__max_epochs", 2.5),
    ("training__max_epochs", "many"),
    ("training__tol", -1.0),
    ("training__learning_rate", 0.0),
    ("training__learning_rate", np.nan),
    ("training__learning_rate", "fast"),
    ("training__record_epochs", "all"),
    ("training__record_epochs", 5),
    ("training__record_epochs", (0, 1.5)),
    ("training__record_epochs", (-1,)),
    ("training__callbacks", print),
    ("training__callbacks", [3]),
    ("objective__nu_y", -1.0),
    ("objective__lambda_kl", np.inf),
    ("objective__standardise", "no"),
    ("diffusion__start_sigma", (0.1, 0.1, 0.1)),
    ("diffusion__start_sigma", ["a", "b"]),
    ("uncertainty__n_draws", 1),
    ("uncertainty__n_draws", 10.0),
    ("random_state", "zero"),
    ("random_state", -1),
]


@pytest.mark.parametrize(("name", "value"), BAD_OPTIONS)
def test_parameters_that_cannot_be(Y, name, value):
    with pytest.raises(OptionError, match=name.split("__")[-1]) as caught:
        small(**{name: value}).fit(Y)
    assert_one_sentence(caught.value)


MESSAGES = [
    ({"n_components": 2.5}, r"n_components=2.5 must be a whole number from 1 to .* 3, or 'auto'\.$"),
    ({"n_components": "foo"}, r"n_components='foo' must be a whole number from 1 to .* 3, or 'auto'\.$"),
    ({"n_components": True}, "n_components=True must be a whole number"),
    ({"n_components": 4}, r"n_components=4 must be from 1 to the number of channels, 3\.$"),
    ({"mixing": np.eye(2)}, r"mixing=array\(\[\[1., 0.\], .* does not exist; choose one of linear"),
    ({"mixing": "mpl"}, r"mixing='mpl' .* invertible, auto, or add it with stradiff.register_mixing\.$"),
    ({"init": "foo"}, r"init='foo' must be one of 'sobi', 'fastica', 'picard', 'random', or an array of sources\.$"),
    ({"objective__nu_y": [0.1, 0.1]}, r"nu_y=\(0.1, 0.1\) must be a finite number above 0"),
    ({"objective__lambda_kl": [0.1]}, r"lambda_kl=\(0.1,\) must be a finite number, 0 or above"),
    ({"prior": "foo"}, "prior='foo' does not exist; choose one of .*, auto, or add it with stradiff.register_prior"),
    ({"prior": ("rbf", "auto")}, "prior='auto' selects for all sources and stands alone"),
    ({"prior": "auto", "init": "random"}, "prior='auto' selects by the sources that training starts from"),
    ({"prior": "rbf", "prior__solver": "fast"}, "regular grid"),  # fewer than a hundred samples
    ({"prior": Autoregression(order=30)}, "order=30 is too long for 60 samples; choose an order below 30"),
    ({"checkpoint": "kept", "random_state": None}, "random_state=None must be a number where there is a checkpoint"),
]


@pytest.mark.parametrize(("parameters", "message"), MESSAGES)
def test_messages_about_parameters(Y, parameters, message):
    with pytest.raises(OptionError, match=message) as caught:
        small(**parameters).fit(Y)
    assert_one_sentence(caught.value)


def test_a_transposed_recording_is_refused_with_the_call_that_is_meant(Y):
    for call in (small().fit, small().fit_transform):
        with pytest.raises(InputError, match=r"3 samples of 60 channels.*transpose them, fit\(Y\.T\)") as caught:
            call(Y.T)
        assert_one_sentence(caught.value)


def test_few_samples_of_many_channels_are_taken_where_that_is_said(Y):
    wide = np.random.default_rng(1).standard_normal((5, 6))
    asked = small(training__max_epochs=0).fit(wide, wide=True)
    named = small(training__max_epochs=0).fit(pd.DataFrame(wide, columns=list("abcdef")))
    np.testing.assert_array_equal(asked.sources_, named.sources_)
    with pytest.raises(InputError, match="5 samples of 6 channels"):
        small().fit(pd.DataFrame(wide))
    with pytest.raises(OptionError, match="wide='yes' must be True or False"):
        small().fit(wide, wide="yes")


TOO_MUCH = {
    "a wide network": {"diffusion__network": Dense(width=10**9)},
    "a wide map": {"mixing": MLP(width=10**8)},
    "many knots": {"mixing": PostNonlinear(knots=10**8)},
}


@pytest.mark.parametrize("options", TOO_MUCH.values(), ids=TOO_MUCH)
def test_more_than_the_memory_holds_is_refused_before_it_is_taken(Y, options):
    with pytest.raises(InsufficientMemoryError, match="GiB"):
        small(**options).fit(Y)


def test_a_long_irregular_record_needs_its_whole_covariance():
    n_samples = 300_000
    rng = np.random.default_rng(0)
    times = np.cumsum(0.1 + rng.random(n_samples))
    with pytest.raises(InsufficientMemoryError, match="Fitting 300000 samples"):
        small(prior="rbf").fit(rng.standard_normal((n_samples, 2)), times=times)


def test_a_fit_without_finite_sources_is_refused(Y):
    with pytest.raises(NumericsError, match="lower learning_rate"):
        small(training__learning_rate=1e30, training__max_epochs=1).fit(Y)


def floats(width):
    modest = st.floats(-1e3, 1e3, width=width)
    return st.one_of(modest, modest, modest, st.sampled_from([0.0, 1.0, -1.0]), st.floats(width=width))


recordings = st.sampled_from([(np.float64, 64), (np.float32, 32)]).flatmap(
    lambda kind: st.sampled_from([(6, 2), (9, 3), (2, 2)]).flatmap(
        lambda shape: arrays_of.arrays(kind[0], shape, elements=st.one_of(floats(kind[1]), st.floats(-9, 9, width=32)))
    )
)


@settings(max_examples=120)
@given(recordings)
def test_odd_recordings_give_finite_sources_or_a_sentence(odd):
    model = small(n_components=None, training__max_epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            model.fit(odd)
        except StrADiffError:
            return
        results = [getattr(model, name) for name in RESULTS]
        results += [model.transform(odd), model.inverse_transform(model.sources_), model.sample_sources(2)]
    assert all(np.isfinite(values).all() for values in results)
