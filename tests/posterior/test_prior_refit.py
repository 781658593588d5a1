"""Once the map is known its inverse's sources may ask for other priors; the recording decides between the two."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from laplace_models import JITTER, MATRIX, NU, SCALES, T, model_of, simulated_long

from stradiff import StrADiff, matched_correlation, simulate
from stradiff.config import Settings
from stradiff.initialise.priors import priors_of
from stradiff.model import numerics
from stradiff.posterior import separation
from stradiff.posterior.prior_refit import with_refitted_priors
from stradiff.posterior.segments import negative_log_likelihood

SETTINGS = Settings(n_sources=2)


def of_scales(factor, n_samples):
    """The model, its priors as much smoother as the factor says."""
    model = model_of(n_samples=n_samples)
    (priors,) = model.priors.groups
    scales = jnp.asarray(np.log(factor * SCALES / (n_samples - 1)))
    return eqx.tree_at(lambda m: m.priors.groups, model, (eqx.tree_at(lambda p: p.log_length_scale, priors, scales),))


def test_priors_are_compared_by_the_likelihood_that_the_whole_gaussian_has():
    """Against N(0, A K A' + nu I) written out, each at its own likeliest nu: spectra miss the ends of the record."""
    _, observed = simulated_long(T)
    distance = np.abs(np.subtract.outer(np.arange(T), np.arange(T)))

    def exact(factor):
        mixing = np.kron(np.eye(T), MATRIX)
        prior = np.zeros((2 * T, 2 * T))
        for k, scale in enumerate(factor * SCALES):
            prior[k::2, k::2] = np.exp(-0.5 * (distance / scale) ** 2) + JITTER * np.eye(T)
        costs = []
        for nu in NU * np.geomspace(0.1, 30, 60):
            covariance = mixing @ prior @ mixing.T + nu * np.eye(3 * T)
            data = observed.ravel()
            costs.append(0.5 * np.linalg.slogdet(covariance)[1] + 0.5 * data @ np.linalg.solve(covariance, data))
        return min(costs) / T

    with numerics():
        found = [negative_log_likelihood(of_scales(factor, T), observed, None, SETTINGS) for factor in (0.5, 1.0, 2.0)]
    wanted = [exact(factor) for factor in (0.5, 1.0, 2.0)]
    np.testing.assert_allclose(np.diff(found), np.diff(wanted), rtol=0.2, atol=0.02)


def test_smoother_priors_than_the_sources_ask_for_give_way():
    _, observed = simulated_long(400)
    with numerics():
        trained = of_scales(3.0, 400)
        told = with_refitted_priors(trained, observed, None, SETTINGS)
        scales = np.asarray(told.priors.length_scales) * 399
        assert negative_log_likelihood(told, observed, None, SETTINGS) < negative_log_likelihood(
            trained, observed, None, SETTINGS
        )
    assert (scales < 1.5 * SCALES).all()


def test_priors_that_know_the_noise_stay():
    """Those of the recording's own sources; with its noise the inverse map's sources ask for rougher ones."""
    _, observed = simulated_long(400)
    noisy = observed + 0.3 * np.random.default_rng(5).standard_normal(observed.shape)
    with numerics():
        trained = of_scales(1.0, 400)
        assert with_refitted_priors(trained, noisy, None, SETTINGS) is trained


def test_bent_maps_records_by_windows_untrained_priors_and_mixtures_are_left_alone():
    _, observed = simulated_long(600)
    by_windows = Settings(n_sources=2, window=256, network="convolutional")
    with numerics():
        smooth, untrained = of_scales(3.0, 600), Settings(n_sources=2, lambda_prior=0.0)
        modes = priors_of(Settings(n_sources=2, prior=("rbf", "gmm_ar")), 600)
        mixed = eqx.tree_at(lambda m: m.priors, smooth, modes)
        cases = ((model_of("mlp", 600), SETTINGS), (smooth, by_windows), (smooth, untrained), (mixed, SETTINGS))
        for model, settings in cases:
            assert with_refitted_priors(model, observed, None, settings) is model


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_clean_sources_lose_less_and_the_fit_shows_the_priors_it_used(monkeypatch):
    made = simulate("linear", sources="ar", seed=100)

    def fitted():
        small = {"network_width": 4, "n_diffusion_steps": 2, "max_epochs": 600}
        return StrADiff(3, prior="ar", random_state=0, verbose=False, **small).fit(made.recording.values)

    ours = fitted()
    monkeypatch.setattr(separation, "with_refitted_priors", lambda model, *_: model)
    before = fitted()
    error, was = (1.0 - matched_correlation(one.sources_, made.sources).mean() for one in (ours, before))
    assert error < 0.9 * was
    assert (ours.noise_std_ < 0.1 * before.noise_std_).all()
    assert (ours.length_scales_ != before.length_scales_).all()
