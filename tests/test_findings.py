"""Diagnostics of a fit by the estimator, and the two options that need more than one fit or model order."""

from __future__ import annotations

import json

import numpy as np
import pytest
from quick_compile import quick_compile

from stradiff import StrADiff, simulate
from stradiff.config import Diffusion, Laplace, Training
from stradiff.errors import InputError, SeparationWarning

QUICK = {
    "prior": "matern12",
    "diffusion": Diffusion(network="none"),
    "training": Training(max_epochs=20, tol=0),
    "uncertainty": Laplace(n_draws=4),
    "random_state": 0,
}
VALUES = simulate("linear", n_samples=160, n_channels=5, noise=0.1, seed=100).recording.values


@pytest.fixture(scope="module")
def fit():
    with quick_compile():
        return StrADiff("auto", n_restarts=2, **QUICK).fit(VALUES)


def test_the_number_of_sources_is_estimated(fit):
    assert fit.sources_.shape == (160, 3) and fit.n_components_ == 3
    assert fit.get_params()["n_components"] == "auto"


def test_restarts_give_the_stability_of_each_source(fit, tmp_path):
    assert fit.stability_.shape == (3,) and ((fit.stability_ > 0) & (fit.stability_ <= 1)).all()
    objectives = [one["objective"] for one in fit.fit_info_["restarts"]]
    assert len(objectives) == 2 and objectives[0] == min(objectives)
    fit.save(tmp_path / "fit.stradiff")
    loaded = StrADiff.load(tmp_path / "fit.stradiff")
    np.testing.assert_array_equal(loaded.stability_, fit.stability_)
    assert loaded.diagnostics_ == fit.diagnostics_


def test_findings_are_sentences_and_plain_data(fit):
    assert [one["sentence"] for one in fit.diagnostics_] == fit.warnings_
    assert json.loads(json.dumps(fit.diagnostics_)) == fit.diagnostics_
    assert {"kind", "severity", "sources", "sentence"} == set().union(*fit.diagnostics_)


def test_a_short_record_warns():
    values = simulate("linear", n_samples=160, seed=101).recording.values[:40]
    with quick_compile(), pytest.warns(SeparationWarning, match="40 samples"):
        model = StrADiff(**QUICK).fit(values)
    assert "short-record" in [one["kind"] for one in model.diagnostics_]
    with pytest.raises(AttributeError, match="n_restarts"):
        _ = model.stability_


def test_noise_alone_has_no_number_of_sources():
    with pytest.raises(InputError, match="n_components as a number"):
        StrADiff("auto", **QUICK).fit(np.random.default_rng(102).standard_normal((500, 4)))
