"""Models of one recording are compared by its marginal likelihood."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from laplace_models import JITTER, MATRIX, NU, SCALES, T, model_of, simulated_long
from short import configuration

from stradiff.model import numerics
from stradiff.posterior.segments import negative_log_likelihood

CONFIG = configuration(n_sources=2)


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
        values = []
        for nu in NU * np.geomspace(0.1, 30, 60):
            covariance = mixing @ prior @ mixing.T + nu * np.eye(3 * T)
            data = observed.ravel()
            values.append(0.5 * np.linalg.slogdet(covariance)[1] + 0.5 * data @ np.linalg.solve(covariance, data))
        return min(values) / T

    with numerics():
        costs = [negative_log_likelihood(of_scales(factor, T), observed, None, CONFIG) for factor in (0.5, 1.0, 2.0)]
    expected = [exact(factor) for factor in (0.5, 1.0, 2.0)]
    np.testing.assert_allclose(np.diff(costs), np.diff(expected), rtol=0.2, atol=0.02)
