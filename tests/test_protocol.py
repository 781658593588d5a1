"""Every map and every prior, ours and one from outside: fitted, reported, saved, loaded, grouped and resumed."""

from __future__ import annotations

import numpy as np
import pytest
from own_models import QuadraticSpec, WhiteNoiseSpec
from quick_compile import quick_compile
from sklearn.base import clone

from stradiff import Recording, StrADiff, fit_group, register_mixing, register_prior, simulate
from stradiff.config import Checkpoint, Diffusion, Laplace, MonteCarlo, Objective, Training
from stradiff.errors import StorageError
from stradiff.model.mixing import MAPS, mixing_spec
from stradiff.model.priors import PRIORS, Autoregression, GaussianMixture, GaussianProcess, prior_spec
from stradiff.report.summary import summarise
from stradiff.report.words import sentence

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # fits that are stopped

T, N, EPOCHS = 60, 3, 4  # below a hundred samples every prior compiles in no time
SMALL = {
    "diffusion": Diffusion(network="none"),
    "training": Training(max_epochs=EPOCHS, tol=0.0, record_epochs=(EPOCHS // 2,)),  # where training can be stopped
    "random_state": 0,
    "verbose": False,
}
BRIEF = MonteCarlo(n_draws=4)
MIXINGS = {**MAPS, "quadratic": QuadraticSpec()}
EVERY_PRIOR = [*PRIORS, "rbf+matern12", "white_noise", "rbf"]
TRIPLES = [EVERY_PRIOR[k : k + N] for k in range(0, len(EVERY_PRIOR), N)]  # one compilation for three priors
Y = simulate("linear", n_samples=150, seed=0).recording.values[: 2 * T]


@pytest.fixture(scope="module", autouse=True)
def _compiled_quickly():
    with quick_compile():
        yield


@pytest.fixture(autouse=True)
def _registered():
    """Those from outside, for one test."""
    register_mixing(QuadraticSpec())
    register_prior(WhiteNoiseSpec())
    yield
    for registry, name in ((MAPS, "quadratic"), (PRIORS, "white_noise")):
        registry.pop(name, None)


def stop(report):
    raise KeyboardInterrupt


def check_group(tmp_path, **options):
    """Fit a group, and again after an interruption; the fit of its first recording."""
    recordings, group = [Y[:T], Y[T:]], StrADiff(N, **SMALL | {"uncertainty": BRIEF} | options)
    kept = clone(group).set_params(checkpoint=Checkpoint(str(tmp_path / "training"), 0.0))
    stopped = clone(kept).set_params(training__callbacks=(stop,))
    assert fit_group(recordings, stopped)[0].interrupted_
    fits = fit_group(recordings, group)
    for whole, resumed in zip(fits, fit_group(recordings, kept), strict=True):
        assert resumed.n_epochs_ == EPOCHS
        np.testing.assert_array_equal(resumed.sources_, whole.sources_)
        np.testing.assert_array_equal(resumed.history_["total"], whole.history_["total"])
    return fits[0]


def check_fit(model, path):
    """Trained, saved and loaded; the sentence of its report. Fits alone are those of ``test_variants``."""
    assert model.n_epochs_ == EPOCHS and np.ptp(model.history_["total"]) > 0
    again = loaded(model, path)
    assert (again.map_, again.priors_) == (model.map_, model.priors_)
    return sentence(summarise(model, Recording(Y[:T])))


def loaded(model, path):
    """The fit from its file, which gives the same answers."""
    model.save(path)
    again = StrADiff.load(path)
    for read in (lambda fit: fit.transform(Y), lambda fit: fit.sample_sources(2, 5), lambda fit: fit.length_scales_):
        np.testing.assert_array_equal(read(again), read(model))
    return again


@pytest.mark.parametrize("name", MIXINGS)
def test_maps(name, tmp_path):
    model = check_group(tmp_path, mixing=name, prior="rbf", uncertainty=Laplace(n_draws=4))
    words = check_fit(model, tmp_path / "fit")
    spec, mixing = mixing_spec(name), model._separation.model.mixing
    assert type(mixing) is spec.module and f"by {spec.label}" in words
    assert hasattr(model, "mixing_") == spec.is_linear and hasattr(model, "curves_") == spec.is_channelwise


@pytest.mark.parametrize("names", TRIPLES, ids="-".join)
def test_priors(names, tmp_path):
    model = check_group(tmp_path, prior=names, objective=Objective(lambda_volume=0.0))
    words = check_fit(model, tmp_path / "fit")
    assert sorted(model.priors_) == sorted(names)
    for name in names:
        spec = prior_spec(name)
        assert spec.label in words
        assert spec.is_gaussian == spec.build(T).is_gaussian


def test_parameters_come_back_from_a_file(tmp_path):
    priors = [GaussianProcess("rbf+matern12", jitter=0.01), Autoregression(order=2), GaussianMixture(2, order=3)]
    options = {"uncertainty": BRIEF, "objective": Objective(lambda_volume=0.0), "prior": priors}
    model = StrADiff(N, mixing=QuadraticSpec(strength=0.3), **SMALL | options).fit(Y[:T])
    again = loaded(model, tmp_path / "fit")
    assert again.mixing == QuadraticSpec(strength=0.3) and list(again.prior) == priors


def test_a_saved_fit_asks_for_what_is_not_registered(tmp_path, monkeypatch):
    names = {"mixing": "quadratic", "prior": "white_noise"}
    StrADiff(N, **SMALL | {"uncertainty": BRIEF} | names).fit(Y[:T]).save(tmp_path / "fit")
    for (parameter, name), registry in zip(names.items(), (MAPS, PRIORS), strict=True):
        with monkeypatch.context() as without, pytest.raises(StorageError, match=f"{parameter}='{name}'") as caught:
            without.delitem(registry, name)
            StrADiff.load(tmp_path / "fit")
        assert f"register_{parameter}" in str(caught.value)
