"""The numbers of a report, shares, correlations and bands, and its sentences."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from own_models import QuadraticSpec

from stradiff.config import Laplace, MonteCarlo, table_of
from stradiff.data.recording import Recording
from stradiff.model.mixing import MAPS
from stradiff.report import summary, words
from stradiff.report.study import LINEAR, NONLINEAR, draw_study, recorded_epochs
from stradiff.report.summary import (
    bands,
    correlation_history,
    explained_share,
    flat_rows,
    history_table,
    like_estimates,
    matched_correlations,
    plain,
    stages,
    summarise,
)


def test_shares_of_a_linear_map_are_the_squared_weights(linear_fit, recording):
    total, each = explained_share(linear_fit, recording)
    assert total == pytest.approx(1.0)
    variance = recording.values.var(axis=0)
    # Sources have variance 1: what source k adds to channel j is its squared weight.
    np.testing.assert_allclose(each, np.mean(linear_fit.mixing_**2 / variance[:, None], axis=0), rtol=1e-10)


def test_summary_is_json_and_complete(linear_fit, recording, truth):
    facts = json.loads(json.dumps(summarise(linear_fit, recording, truth), allow_nan=False))
    assert set(facts) == {"recording", "sources", "explained_variance", "model", "training", "warnings", "diagnostics"}
    assert [source["length_scale"] for source in facts["sources"]] == [0.1, 0.03, 0.01]
    assert [source["length_scale_s"] for source in facts["sources"]] == pytest.approx(
        [scale * 399 / 64 for scale in (0.1, 0.03, 0.01)]
    )
    assert [source["matched_correlation"] for source in facts["sources"]] == pytest.approx([1, 1, 1])
    assert [source["typical_sd"] for source in facts["sources"]] == pytest.approx([0.1] * 3)
    assert facts["model"]["seed"] == 7
    assert facts["model"]["drawn_seed"] == 12345


def test_stability_is_given_where_there_were_restarts(linear_fit, recording, monkeypatch):
    assert "stability" not in summarise(linear_fit, recording)["sources"][0]
    monkeypatch.setitem(linear_fit.fit_info_, "stability", [0.99, 0.7, 0.95])
    facts = summarise(linear_fit, recording)
    assert [source["stability"] for source in facts["sources"]] == [0.99, 0.7, 0.95]


def test_without_a_sampling_rate_length_scales_count_samples(linear_fit, recording):
    unknown = Recording(recording.values, channel_names=recording.channel_names)
    assert summarise(linear_fit, unknown)["sources"][0]["length_scale_samples"] == pytest.approx(39.9)


def test_matched_correlations_are_in_the_order_of_the_estimates(truth):
    rng = np.random.default_rng(0)
    estimate = np.column_stack([rng.standard_normal(len(truth)), -truth[:, 1], truth[:, 0]])
    correlations = matched_correlations(estimate, truth[:, :2])
    assert correlations[0] is None
    assert correlations[1:] == pytest.approx([1.0, 1.0])


def test_truth_gets_the_signs_of_the_estimates(linear_fit, truth):
    np.testing.assert_allclose(like_estimates(truth, linear_fit.sources_), linear_fit.sources_)
    np.testing.assert_array_equal(like_estimates(truth[:, :2], linear_fit.sources_), truth[:, :2])


def test_correlation_history_ends_at_the_source(linear_fit, truth):
    epochs, correlation = correlation_history(linear_fit, truth)
    assert epochs.tolist() == [1, 60, 120]
    np.testing.assert_allclose(correlation, 1.0)  # every recorded path of this fit ends at the truth


@pytest.mark.parametrize(
    ("recorded", "n_epochs", "expected"),
    [
        ((1, 60, 120), 120, {"beginning": 1, "middle": 60, "end": 120}),
        ((1, 50, 100, 5000, 10_000), 10_000, {"beginning": 1, "middle": 5000, "end": 10_000}),
        ((0, 1, 30, 50, 100), 100, {"beginning": 0, "middle": 50, "end": 100}),
        ((1, 100), 100, {"beginning": 1, "end": 100}),
        ((1,), 1, {"end": 1}),
        ((), 40, {}),
    ],
)
def test_stages_are_different_epochs_near_beginning_middle_and_end(linear_fit, recorded, n_epochs, expected):
    fit = copy.copy(linear_fit)
    fit.recorded_epochs_, fit.n_epochs_ = recorded, n_epochs
    assert stages(fit) == expected


def test_bands_hold_mean_sd_and_limits(linear_fit):
    table, names = bands(linear_fit)
    assert names[:5] == [
        "source_1_mean",
        "source_1_sd",
        "source_1_lower95",
        "source_1_upper95",
        "source_2_mean",
    ]
    assert table.shape == (400, 12)
    mean, sd, lower, upper = table[:, 4:8].T
    np.testing.assert_array_equal(mean, linear_fit.sources_[:, 1])
    np.testing.assert_allclose((upper - lower) / 2, 1.959963984540054 * sd)
    np.testing.assert_allclose((upper + lower) / 2, mean, atol=1e-14)


def test_history_table_has_a_row_an_epoch_and_a_column_a_length_scale(linear_fit):
    table, names = history_table(linear_fit)
    assert table.shape == (120, len(names))
    assert names[0] == "epoch"
    assert names[-3:] == ["length_scales_1", "length_scales_2", "length_scales_3"]
    np.testing.assert_array_equal(table[:, names.index("kl")], linear_fit.history_["kl"])
    np.testing.assert_array_equal(table[:, -1], linear_fit.history_["length_scales"][:, 2])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.array([1, 2]), [1, 2]),
        ((1, (2.0, None)), [1, [2.0, None]]),
        ({"a": np.bool_(True), 3: float("nan")}, {"a": True, "3": None}),
        (Path("here"), "here"),
    ],
)
def test_plain_values_are_json(value, expected):
    assert plain(value) == expected
    json.dumps(plain(value), allow_nan=False)


def test_settings_are_flat_rows_of_text():
    settings = {
        "tol": None,
        "learn": False,
        "prior": {"jitter": 1e-3, "kernels": ("rbf", "matern12")},
        "none": [],
        "each": [{"order": 8}, {"order": 4}],
    }
    assert list(flat_rows(settings)) == [
        ("tol", "not set"), ("learn", "no"), ("prior.jitter", "0.001"), ("prior.kernels", "rbf, matern12"),
        ("none", "none"), ("each.1.order", "8"), ("each.2.order", "4"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (12.54, "12.5 s"), (600.0, "10.0 min"), (7200.0, "2.0 h")]
)
def test_durations(seconds, text):
    assert words.duration(seconds) == text


DIVERGED = {"kind": "ending", "severity": "warning", "sources": [], "sentence": "The objective was not finite."}


@pytest.mark.parametrize(
    ("changes", "training", "text"),
    [
        ({"interrupted_": True}, {}, "interrupted after 120 epochs (12.5 s): the results are those of its last state."),
        ({"converged_": True}, {}, "Training converged after 120 epochs (12.5 s)."),
        ({}, {}, "used all of its 120 epochs (12.5 s) and had not yet converged."),
        ({}, {"tol": 0.0}, "used all of its 120 epochs (12.5 s), without a convergence criterion (tol=0)."),
        (
            {"diagnostics_": [DIVERGED]},
            {"max_epochs": 500},
            "diverged after 120 epochs (12.5 s): the results are",
        ),
        ({}, {"max_epochs": 500}, "Training was stopped after 120 epochs (12.5 s) by a callback."),
    ],
)
def test_the_sentence_states_how_training_ended(linear_fit, recording, changes, training, text):
    settings = linear_fit.fit_info_["settings"]
    info = linear_fit.fit_info_ | {"settings": settings | {"training": settings["training"] | training}}
    fit = SimpleNamespace(**vars(linear_fit) | changes | {"fit_info_": info})
    assert text in words.sentence(summarise(fit, recording))


def test_maps_and_priors_have_the_words_of_their_specifications(linear_fit, recording, monkeypatch):
    monkeypatch.setitem(MAPS, "quadratic", QuadraticSpec())
    fit = SimpleNamespace(**vars(linear_fit) | {"map_": "quadratic", "priors_": ("gmm_ar", "ar_student", "gmm_ar")})
    sentence = words.sentence(summarise(fit, recording))
    assert "mixed by a matrix and squares" in sentence
    follows = "follows a Gaussian mixture with memory or an autoregression with Student-t innovations;"
    assert follows in sentence


@pytest.mark.parametrize(("uncertainty", "text"), [(Laplace(), "posterior mean"), (MonteCarlo(), "learned start")])
def test_bands_are_defined(uncertainty, text):
    assert text in words.band({"model": {"settings": {"uncertainty": table_of(uncertainty)}}})


def test_z_is_that_of_a_95_percent_band():
    from scipy.stats import norm

    assert pytest.approx(norm.ppf(0.975), abs=1e-15) == summary.Z95


@pytest.mark.parametrize("max_epochs", [1, 2, 3, 100, 10_000])
def test_recorded_epochs_begin_before_the_first_and_end_at_the_last(max_epochs):
    epochs = recorded_epochs(max_epochs)
    assert (epochs[0], epochs[1], epochs[-1]) == (0, 1, max_epochs)
    assert list(epochs) == sorted(set(epochs))
    assert max_epochs // 2 in epochs
    assert len(epochs) <= 27


def test_a_study_has_the_figures_of_the_paper(linear_fit, nonlinear_fit, recording, truth):
    figures = draw_study(linear_fit, recording, truth)
    assert set(figures) == set(LINEAR.values())
    assert all(axes.has_data() for figure in figures.values() for axes in figure.axes)
    assert set(draw_study(nonlinear_fit, recording, truth)) == set(NONLINEAR.values())
