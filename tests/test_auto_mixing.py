"""``mixing="auto"``: which map it selects, that it is the fit with that map, and its findings."""

from __future__ import annotations

import shutil
import warnings

import numpy as np
import pandas as pd
import pytest
from quick_compile import quick_compile
from short import estimator

from stradiff import Dense, StrADiff, fit_group, pipeline, simulate
from stradiff.errors import SeparationWarning, StorageError
from stradiff.pipeline import LINEAR_SUFFICES, SELECTED

QUICK = {
    "max_epochs": 200, "tol": 0.0, "network": Dense(width=4), "n_steps": 2, "random_state": 0, "n_draws": 2,
    "verbose": False, "uncertainty": "monte-carlo", "prior": "matern32",
}  # fmt: skip
KINDS = {"linear": "linear", "leaky_relu": "mlp"}


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compile():
        yield


def recording(kind, n_samples=200):
    return simulate(kind, n_samples=n_samples, seed=100).recording.values


def fit_and_remarks(kind, mixing):
    """A fit, and its warnings."""
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always", SeparationWarning)
        fit = estimator(3, mixing=mixing, **QUICK).fit(recording(kind))
    return fit, [str(one.message) for one in raised]


@pytest.fixture(scope="module")
def remarked():
    """Of every kind of mixing, the fit of "auto" and that of the map it should select, with their warnings."""
    return {kind: (fit_and_remarks(kind, "auto"), fit_and_remarks(kind, name)) for kind, name in KINDS.items()}


@pytest.fixture(scope="module")
def fitted(remarked):
    """The fits alone."""
    return {kind: (auto, named) for kind, ((auto, _), (named, _)) in remarked.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_fit_with_the_selected_map(fitted, kind):
    auto, named = fitted[kind]
    assert auto.map_ == named.map_ == KINDS[kind]
    np.testing.assert_array_equal(auto.sources_, named.sources_)
    np.testing.assert_array_equal(auto.transform(recording(kind)), named.transform(recording(kind)))
    assert auto.get_params()["mixing"] == "auto"
    assert auto.fit_info_["settings"] == named.fit_info_["settings"]


def test_it_remarks_that_it_took_the_linear_map(fitted):
    auto, named = fitted["linear"]
    assert auto.warnings_ == [*named.warnings_, SELECTED]
    assert [one["kind"] for one in auto.diagnostics_][-1] == LINEAR_SUFFICES
    assert LINEAR_SUFFICES not in [one["kind"] for one in fitted["leaky_relu"][0].diagnostics_]


def test_it_is_saved_and_loaded(fitted, tmp_path):
    for auto, _ in fitted.values():
        auto.save(tmp_path / "fit")
        again = StrADiff.load(tmp_path / "fit")
        assert (again.map_, again.mixing) == (auto.map_, "auto")
        np.testing.assert_array_equal(again.sources_, auto.sources_)


def test_remarks_are_those_of_the_fit_that_is_kept(remarked, monkeypatch):
    for (_, of_auto), (_, of_named) in remarked.values():
        assert of_auto == of_named
    assert "changes so slowly" in remarked["linear"][1][1][0]  # the slow source is recorded for too short a time
    monkeypatch.setattr(pipeline, "LINEAR_SUFFICES", "no such finding")
    auto, warned = fit_and_remarks("linear", "auto")
    assert auto.map_ == "mlp" and warned == fit_and_remarks("linear", "mlp")[1]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_stopped_in_either_fit_it_goes_on_there(fitted, tmp_path):
    """Ctrl-C during the network's fit keeps that; during the linear one, which comes second, that."""
    values, kept = recording("linear"), {"checkpoint": tmp_path / "training", "checkpoint_seconds": 0.0}

    def stop_in(number):
        epochs = []

        def look(report):
            epochs.append(report.epoch)
            if len(epochs) == number:
                raise KeyboardInterrupt

        return look

    first = estimator(3, mixing="auto", **QUICK, **kept, callbacks=(stop_in(1),)).fit(values)
    assert first.interrupted_ and first.map_ == "mlp" and [one.name for one in tmp_path.iterdir()] == ["training"]
    second = estimator(3, mixing="auto", **QUICK, **kept, callbacks=(stop_in(2),)).fit(values)
    assert second.interrupted_ and second.map_ == "linear"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["training", "training.linear"]
    last = estimator(3, mixing="auto", **QUICK, **kept).fit(values)
    np.testing.assert_array_equal(last.sources_, fitted["linear"][0].sources_)


class Killed(BaseException):
    """Nothing after it is done, not even what Ctrl-C leaves time for."""


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """Checkpoints as a kill in the middle of the linear fit leaves them."""
    folder, calls = tmp_path_factory.mktemp("left"), iter(range(4))

    def look(report):
        if next(calls) == 3:  # two of the network's fit, one of the linear one
            raise Killed

    kept = {"mixing": "auto", "checkpoint": folder / "training", "checkpoint_seconds": 0.0, **QUICK}
    with pytest.raises(Killed):
        estimator(3, **kept, callbacks=(look,)).fit(recording("linear"))
    return folder


@pytest.fixture
def killed(left, tmp_path):
    """How to go on from a copy of them."""
    shutil.copytree(left, tmp_path, dirs_exist_ok=True)
    return {"mixing": "auto", "checkpoint": tmp_path / "training", "checkpoint_seconds": 0.0, **QUICK}


def test_killed_in_the_linear_fit_it_does_not_train_the_network_again(fitted, killed):
    epochs = []
    again = estimator(3, **killed, callbacks=(lambda report: epochs.append(report.epoch),)).fit(recording("linear"))
    assert epochs == [200]
    np.testing.assert_array_equal(again.sources_, fitted["linear"][0].sources_)


@pytest.mark.parametrize("network_kept", [True, False])
def test_a_linear_fit_of_other_settings_is_refused_before_any_training(killed, network_kept):
    if not network_kept:
        killed["checkpoint"].unlink()
    epochs = []
    other = estimator(3, **killed | {"nu_y": 0.02}, callbacks=(lambda report: epochs.append(report.epoch),))
    with pytest.raises(StorageError, match="delete it to start anew"):
        other.fit(recording("linear"))
    assert not epochs


def test_names_of_a_frame_do_not_outlive_it():
    values = recording("linear")
    model = estimator(3, mixing="auto", **QUICK | {"max_epochs": 1}).fit(pd.DataFrame(values, columns=list("abc")))
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    assert not hasattr(model.fit(values), "feature_names_in_")


@pytest.mark.parametrize("kind", KINDS)
def test_a_group_takes_one_map_for_all(kind):
    halves = np.split(recording(kind, 300), 2)
    auto, named = (fit_group(halves, estimator(3, mixing=mixing, **QUICK)) for mixing in ("auto", KINDS[kind]))
    for fit, same in zip(auto, named, strict=True):
        assert fit.map_ == same.map_ == KINDS[kind]
        np.testing.assert_array_equal(fit.sources_, same.sources_)
        kinds = [one["kind"] for one in fit.diagnostics_]
        assert (LINEAR_SUFFICES in kinds) == (kind == "linear")
