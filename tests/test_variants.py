"""Every mixing map and every ablation, through the estimator and through a saved file."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from as_users_call import as_users_call
from quick_compile import quick_compile
from safetensors import safe_open

from stradiff import SOBI, StrADiff, matched_correlation
from stradiff.data.sources import artificial_sources
from stradiff.errors import InsufficientMemoryError, OptionError

T = 40  # below a hundred samples the prior is a dense matrix, which compiles in no time
# Every option once, together with others that it does not touch: each fit is a compilation.
VARIANTS = {
    "residual map, one shared branch": {"mixing": "residual", "preset": "paper", "branch": "shared"},
    "post-nonlinear map, no branch, no KL": {
        "mixing": "post_nonlinear",
        "mixing_knots": 3,
        "branch": "none",
        "lambda_kl": 0.0,
    },
    "invertible map, no start noise": {"mixing": "invertible", "deterministic_start": True},
    "no prior, no warm start": {"lambda_prior": 0.0, "init": "random"},
}


@pytest.fixture(autouse=True)
def _as_users_call():
    with as_users_call():
        yield


@pytest.fixture(scope="module")
def values():
    time = np.arange(T)[:, None] / T
    waves = np.sin(2 * np.pi * np.array([2.0, 5.0, 9.0]) * time + np.array([0.0, 1.0, 2.0]))
    return np.tanh(waves @ np.array([[1.0, 0.5, -0.3], [-0.4, 1.0, 0.6], [0.2, -0.7, 1.0]]))


def small(**options):
    few = {
        "max_epochs": 4,
        "tol": 0.0,
        "n_diffusion_steps": 2,
        "network_width": 4,
        "mixing_width": 4,
        "mixing_depth": 1,
    }
    return StrADiff(3, n_draws=4, random_state=0, **{**few, **options})


@pytest.fixture(scope="module", params=VARIANTS)
def fitted(request, values):
    """(options, fit)."""
    options = VARIANTS[request.param]
    with as_users_call(), quick_compile():
        return options, small(**options).fit(values)


def test_it_runs_and_comes_back_from_a_file(fitted, values, tmp_path):
    options, model = fitted
    assert model.n_epochs_ == 4 and np.isfinite(model.history_["total"]).all()
    assert np.ptp(model.history_["reconstruction"]) > 0, "nothing was learned"
    model.save(tmp_path / "fit")
    again = StrADiff.load(tmp_path / "fit")
    np.testing.assert_array_equal(again.sources_, model.sources_)
    np.testing.assert_array_equal(again.transform(values), model.transform(values))
    np.testing.assert_array_equal(again.sample_sources(2, 5), model.sample_sources(2, 5))
    assert {name: again.get_params()[name] for name in options if name != "init"} == {
        name: value for name, value in options.items() if name != "init"
    }


def test_ablations_leave_out_what_they_say(fitted, tmp_path):
    options, model = fitted
    model.save(tmp_path / "fit")
    with safe_open(tmp_path / "fit", framework="numpy") as file:
        networks = [file.get_tensor(n).shape for n in file.keys() if "network.weight_in" in n]  # noqa: SIM118
    assert networks == {"own": [(3, 4, T)], "shared": [(4, T)], "none": []}[options.get("branch", "own")]
    history = model.history_
    assert history["diffusion"].any() == (options.get("branch") != "none")
    assert history["kl"].any() == ("deterministic_start" not in options)
    through_branches = dataclasses.replace(model._separation, posterior=None).draws(3, 1)
    assert (through_branches.std(axis=0).max() > 1e-5) == ("deterministic_start" not in options)
    if "lambda_prior" in options:
        assert not history["volume"].any()


def test_only_post_nonlinear_maps_have_curves(fitted):
    options, model = fitted
    if options.get("mixing") == "post_nonlinear":
        levels, curves = model.curves_
        assert levels.shape == (61,) and curves.shape == (61, 3) and (np.diff(curves, axis=0) > 0).all()
    else:
        with pytest.raises(AttributeError, match="post_nonlinear"):
            _ = model.curves_


def test_a_post_nonlinear_recording_is_undone():
    """The study's sources, mixed and bent by saturating sensors; the truth is looked at only here."""
    sources = artificial_sources(300)
    mixed = sources @ np.linalg.qr(np.random.default_rng(100).standard_normal((3, 3)))[0]
    bent = np.tanh(mixed) + 0.1 * mixed
    model = StrADiff(
        3,
        mixing="post_nonlinear",
        branch="none",
        prior="matern32",
        learning_rate=1e-2,
        nu_y=1e-3,
        max_epochs=300,
        tol=0.0,
        random_state=0,
    ).fit(bent)
    ours, sobi = (matched_correlation(found, sources) for found in (model.sources_, SOBI(3).fit_transform(bent)))
    assert ours.min() > sobi.min() + 0.01 and ours.mean() > sobi.mean() + 0.01
    # The curves saturate as the sensors do: a step at the end is less than half of one in the middle.
    levels, curves = model.curves_
    assert levels.shape == (61,) and curves.shape == (61, 3)
    step = np.diff(curves, axis=0)
    assert (step > 0).all()
    assert (step[[5, -6]] < 0.5 * step[30]).all()


def test_whitening_before_bending_is_refused(values):
    with pytest.raises(OptionError, match=r"post_nonlinear.*normalise='standardise'"):
        small(mixing="post_nonlinear", normalise="whiten").fit(values)


@pytest.mark.parametrize(
    "options", [{"mixing": "post_nonlinear", "mixing_knots": 10**9}, {"mixing": "invertible", "mixing_width": 10**9}]
)
def test_maps_too_large_for_the_memory_are_refused(values, options):
    with pytest.raises(InsufficientMemoryError, match="GiB"):
        small(**options).fit(values)
