"""Diagnostics of a fit by the estimator, and the two options that need more than one fit or model order."""

from __future__ import annotations

import json

import numpy as np
import pytest
from quick_compile import quick_compile

from stradiff import StrADiff, simulate
from stradiff.errors import InputError, SeparationWarning

QUICK = {"max_epochs": 20, "tol": 0.0, "network_width": 4, "n_diffusion_steps": 2, "random_state": 0, "n_draws": 4,
         "prior": "matern12"}  # fmt: skip


@pytest.fixture(scope="module")
def fitted():
    values = simulate("linear", n_samples=160, n_channels=5, noise=0.1, seed=100).recording.values
    with quick_compile():
        return StrADiff("auto", n_restarts=2, **QUICK).fit(values)


def test_the_number_of_sources_is_estimated(fitted):
    assert fitted.sources_.shape == (160, 3) and fitted.n_components_ == 3
    assert fitted.get_params()["n_components"] == "auto"


def test_restarts_give_the_stability_of_each_source(fitted, tmp_path):
    assert fitted.stability_.shape == (3,) and ((fitted.stability_ > 0) & (fitted.stability_ <= 1)).all()
    objectives = [one["objective"] for one in fitted.fit_info_["restarts"]]
    assert len(objectives) == 2 and objectives[0] == min(objectives)
    fitted.save(tmp_path / "fit.stradiff")
    loaded = StrADiff.load(tmp_path / "fit.stradiff")
    np.testing.assert_array_equal(loaded.stability_, fitted.stability_)
    assert loaded.diagnostics_ == fitted.diagnostics_


def test_findings_are_sentences_and_plain_data(fitted):
    assert [one["sentence"] for one in fitted.diagnostics_] == fitted.warnings_
    assert json.loads(json.dumps(fitted.diagnostics_)) == fitted.diagnostics_
    assert {"kind", "severity", "sources", "sentence"} == set().union(*fitted.diagnostics_)


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
