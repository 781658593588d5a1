"""Every mixing map and every ablation, through the estimator and through a saved file."""

from __future__ import annotations

import numpy as np
import pytest
from as_users_call import as_users_call
from quick_compile import quick_compile
from safetensors import safe_open

from stradiff import SOBI, StrADiff, matched_correlation, simulate
from stradiff.errors import MemoryNeedError, OptionError
from stradiff.observations.simulate import gp_sources

VARIANTS = {
    "residual": {"mixing": "residual", "preset": "paper"},
    "post-nonlinear": {"mixing": "post_nonlinear", "mixing_knots": 3},
    "invertible": {"mixing": "invertible"},
    "one shared branch": {"branch": "shared"},
    "no branch": {"branch": "none"},
    "no start noise": {"deterministic_start": True},
    "no prior": {"lambda_prior": 0.0},
    "no KL": {"lambda_kl": 0.0},
    "no warm start": {"init": "random"},
}


@pytest.fixture(autouse=True)
def _as_users_call():
    with as_users_call():
        yield


@pytest.fixture(scope="module")
def values():
    return simulate("leaky_relu", n_samples=120, seed=100).recording.values


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


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_it_runs_and_comes_back_from_a_file(values, tmp_path, options):
    with quick_compile():
        model = small(**options).fit(values)
    assert model.n_epochs_ == 4 and np.isfinite(model.history_["total"]).all()
    assert np.ptp(model.history_["reconstruction"]) > 0, "nothing was learned"
    model.save(tmp_path / "fit")
    again = StrADiff.load(tmp_path / "fit")
    np.testing.assert_array_equal(again.sources_, model.sources_)
    np.testing.assert_array_equal(again.transform(values), model.transform(values))
    np.testing.assert_array_equal(again.sample_sources(2, 5), model.sample_sources(2, 5))
    assert {name: again.get_params()[name] for name in options} == options


def stored_networks(model, path):
    """Leading lengths of the networks' first layers in a saved file."""
    model.save(path)
    with safe_open(path, framework="numpy") as file:
        return [file.get_tensor(name).shape for name in file.keys() if "network.weight_in" in name]  # noqa: SIM118


def test_what_the_ablations_leave_out(values, tmp_path):
    with quick_compile():
        own, shared, none, certain, free = (
            small(max_epochs=1, **options).fit(values)
            for options in (
                {},
                {"branch": "shared"},
                {"branch": "none"},
                {"deterministic_start": True, "branch": "none"},
                {"lambda_prior": 0.0, "branch": "none"},
            )
        )
    assert stored_networks(own, tmp_path / "own") == [(3, 4, 120)]
    assert stored_networks(shared, tmp_path / "shared") == [(4, 120)]
    assert stored_networks(none, tmp_path / "none") == []
    assert not none.history_["diffusion"].any() and none.history_["kl"].all()
    assert not certain.sources_std_.any() and not certain.history_["kl"].any()
    assert not free.history_["volume"].any()


def test_a_post_nonlinear_recording_is_undone():
    """Three slow sources, mixed and bent by saturating sensors; the truth is looked at only here."""
    sources = gp_sources(400, (30.0, 10.0, 4.0), seed=100)
    mixed = sources @ np.linalg.qr(np.random.default_rng(100).standard_normal((3, 3)))[0]
    bent = np.tanh(1.5 * mixed) + 0.1 * mixed
    model = StrADiff(
        3,
        mixing="post_nonlinear",
        branch="none",
        learning_rate=1e-2,
        nu_y=1e-3,
        max_epochs=800,
        tol=0.0,
        random_state=0,
    ).fit(bent)
    ours, sobi = (matched_correlation(found, sources) for found in (model.sources_, SOBI(3).fit_transform(bent)))
    assert ours.min() > sobi.min() + 0.01 and ours.mean() > 0.99
    # The curves saturate as the sensors do: a step at the end is less than half of one in the middle.
    levels, curves = model.curves_
    assert levels.shape == (61,) and curves.shape == (61, 3)
    step = np.diff(curves, axis=0)
    assert (step > 0).all()
    assert (step[[5, -6]] < 0.5 * step[30]).all()


def test_only_post_nonlinear_maps_have_curves(values):
    with quick_compile():
        model = small(max_epochs=0).fit(values)
    with pytest.raises(AttributeError, match="post_nonlinear"):
        _ = model.curves_


def test_whitening_before_bending_is_refused(values):
    with pytest.raises(OptionError, match=r"post_nonlinear.*normalise='standardise'"):
        small(mixing="post_nonlinear", normalise="whiten").fit(values)


@pytest.mark.parametrize(
    "options", [{"mixing": "post_nonlinear", "mixing_knots": 10**9}, {"mixing": "invertible", "mixing_width": 10**9}]
)
def test_maps_too_large_for_the_memory_are_refused(values, options):
    with pytest.raises(MemoryNeedError, match="GiB"):
        small(**options).fit(values)
