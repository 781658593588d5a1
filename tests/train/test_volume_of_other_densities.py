"""Laplace's approximation of a likelihood needs the Fisher information of a prior, not its inverse spectrum."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from stradiff.model.priors import PriorSettings, make_prior
from stradiff.model.priors.driven_autoregression import DrivenAutoregression
from stradiff.model.priors.innovations import SmoothLaplace, Student

SOURCE = np.linspace(-12.0, 12.0, 2401)


def bimodal():
    prior = make_prior("gmm", PriorSettings(n_samples=100))
    values = 0.9 * np.random.default_rng(0).choice([-1, 1], 500) + 0.43 * np.random.default_rng(1).standard_normal(500)
    return prior.tuned(jnp.asarray(values), None)


CASES = {
    "laplace": lambda: DrivenAutoregression(SmoothLaplace(1.0), 0, 100),
    "student": lambda: DrivenAutoregression(Student(1.0, 3.0), 0, 100),
    "nearly without variance": lambda: DrivenAutoregression(Student(1.0, 2.2), 0, 100),
    "two modes": bimodal,
}


@pytest.mark.parametrize("nu", [0.1, 0.5])
@pytest.mark.parametrize("case", CASES)
def test_the_fisher_information_is_closer_to_the_exact_likelihood(case, nu):
    """E log p(y), y = s + noise of variance nu: exactly by quadrature, and by max_s with half a log-determinant."""
    prior = CASES[case]()
    density = prior.marginal.log_density if hasattr(prior, "marginal") else prior.innovation.log_density
    log_p = np.asarray(density(jnp.asarray(SOURCE)))
    step = SOURCE[1] - SOURCE[0]
    observed = np.linspace(-14.0, 14.0, 561)
    misfit = -((observed[:, None] - SOURCE) ** 2) / (2 * nu)
    evidence = np.log(np.exp(log_p + misfit).sum(axis=1) * step / np.sqrt(2 * np.pi * nu))
    weight = np.exp(evidence) / np.exp(evidence).sum()
    best = (log_p + misfit).max(axis=1)

    def error(precision):
        approximate = best - 0.5 * np.log(nu) - 0.5 * np.log(precision + 1 / nu)
        return abs(weight @ (approximate - evidence))

    omega = jnp.asarray([1.0])
    by_information = error(float(prior.precision_spectrum(omega, 10)[0]))
    by_spectrum = error(1.0 / float(prior.spectrum(omega, 10)[0]))
    assert by_information < 0.5 * by_spectrum
