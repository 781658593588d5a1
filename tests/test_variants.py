"""Every mixing map and every ablation, through the estimator and through a saved file."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from as_users_call import as_users_call
from quick_compile import quick_compile
from safetensors import safe_open

from stradiff import SOBI, StrADiff, matched_correlation
from stradiff.config import Dense, Diffusion, Laplace, Objective, Training
from stradiff.data.sources import artificial_sources
from stradiff.errors import InsufficientMemoryError, OptionError
from stradiff.model.mixing import Invertible, PostNonlinear, Residual

T = 40  # below a hundred samples the prior is a dense matrix, which compiles in no time
SMALL = Diffusion(n_steps=2, network=Dense(width=4))
# Every option once, together with others that it does not touch: each fit is a compilation.
VARIANTS = {
    "residual map, one shared network": {
        "mixing": Residual(width=4, depth=1),
        "preset": "paper",
        "diffusion": SMALL.replace(shared=True),
    },
    "post-nonlinear map, no network, no KL": {
        "mixing": PostNonlinear(knots=3),
        "diffusion": SMALL.replace(network="none"),
        "objective": Objective(lambda_kl=0.0),
    },
    "invertible map, no start noise": {
        "mixing": Invertible(width=4, depth=1),
        "diffusion": SMALL.replace(deterministic_start=True),
    },
    "no prior, random initialisation": {"objective": Objective(lambda_prior=0.0), "init": "random"},
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
    few = {"diffusion": SMALL, "training": Training(max_epochs=4, tol=0), "uncertainty": Laplace(n_draws=4)}
    return StrADiff(3, random_state=0, **few | options)


@pytest.fixture(scope="module", params=VARIANTS)
def fit(request, values):
    """(options, fit)."""
    options = VARIANTS[request.param]
    with as_users_call(), quick_compile():
        return options, small(**options).fit(values)


def test_it_runs_and_comes_back_from_a_file(fit, values, tmp_path):
    _, model = fit
    assert model.n_epochs_ == 4 and np.isfinite(model.history_["total"]).all()
    assert np.ptp(model.history_["reconstruction"]) > 0, "nothing was learned"
    model.save(tmp_path / "fit")
    again = StrADiff.load(tmp_path / "fit")
    np.testing.assert_array_equal(again.sources_, model.sources_)
    np.testing.assert_array_equal(again.transform(values), model.transform(values))
    np.testing.assert_array_equal(again.sample_sources(2, 5), model.sample_sources(2, 5))
    kept = [name for name in model.get_params(deep=False) if name != "init"]
    assert all(getattr(again, name) == getattr(model, name) for name in kept)


def test_ablations_leave_out_what_they_say(fit, tmp_path):
    options, model = fit
    diffusion = options.get("diffusion", SMALL)
    model.save(tmp_path / "fit")
    with safe_open(tmp_path / "fit", framework="numpy") as file:
        networks = [file.get_tensor(n).shape for n in file.keys() if "network.weight_in" in n]  # noqa: SIM118
    own = [] if diffusion.network == "none" else [(3, 4, T)]
    assert networks == ([(4, T)] if diffusion.shared else own)
    history = model.history_
    assert history["diffusion"].any() == (diffusion.network != "none")
    assert history["kl"].any() == (not diffusion.deterministic_start)
    draws = dataclasses.replace(model._separation, posterior=None).draws(3, 1)  # through the reverse diffusion
    assert (draws.std(axis=0).max() > 1e-5) == (not diffusion.deterministic_start)
    if model._separation.settings.objective.lambda_prior == 0.0:
        assert not history["volume"].any()


def test_only_post_nonlinear_maps_have_curves(fit):
    _, model = fit
    if model.map_ == "post_nonlinear":
        levels, curves = model.curves_
        assert levels.shape == (61,) and curves.shape == (61, 3) and (np.diff(curves, axis=0) > 0).all()
    else:
        with pytest.raises(AttributeError, match="post_nonlinear"):
            _ = model.curves_


def test_a_post_nonlinear_recording_is_undone():
    """The study's sources, mixed and seen by saturating sensors."""
    sources = artificial_sources(300)
    mixed = sources @ np.linalg.qr(np.random.default_rng(100).standard_normal((3, 3)))[0]
    saturated = np.tanh(mixed) + 0.1 * mixed
    model = StrADiff(
        3,
        mixing="post_nonlinear",
        prior="matern32",
        diffusion=Diffusion(network="none"),
        objective=Objective(nu_y=1e-3),
        training=Training(max_epochs=300, tol=0, learning_rate=1e-2),
        uncertainty=Laplace(n_draws=10),
        random_state=0,
    )
    with quick_compile():
        model.fit(saturated)
    by_sobi = SOBI(3).fit_transform(saturated)
    ours, sobi = (matched_correlation(estimate, sources) for estimate in (model.sources_, by_sobi))
    assert ours.min() > sobi.min() + 0.01 and ours.mean() > sobi.mean() + 0.01
    # The curves saturate as the sensors do: a step at the end is less than half of one in the middle.
    levels, curves = model.curves_
    assert levels.shape == (61,) and curves.shape == (61, 3)
    step = np.diff(curves, axis=0)
    assert (step > 0).all()
    assert (step[[5, -6]] < 0.5 * step[30]).all()


def test_whitening_before_a_nonlinearity_of_channels_is_refused(values):
    with pytest.raises(OptionError, match=r"post_nonlinear.*normalise='standardise'"):
        small(mixing="post_nonlinear", normalise="whiten").fit(values)


@pytest.mark.parametrize("mixing", [PostNonlinear(knots=10**9), Invertible(width=10**9)])
def test_maps_too_large_for_the_memory_are_refused(values, mixing):
    with pytest.raises(InsufficientMemoryError, match="GiB"):
        small(mixing=mixing).fit(values)
