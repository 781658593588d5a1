"""The page on priors shows how to add one; what it shows must run."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick_compile import quick_compile
from scipy.stats import kstest, logistic
from snippets import run, snippets

from stradiff.model import numerics
from stradiff.model.priors import PRIORS

PAGE = (Path(__file__).parents[1] / "docs" / "priors.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def example():
    """The code on the page."""
    (code,) = snippets("docs/priors.md")
    with quick_compile(), run(code, "own_prior") as module:
        yield module


def test_it_is_known_and_fits(example):
    assert "logistic" in PRIORS
    assert example.model.sources_.shape == (300, 3)
    assert np.isfinite(example.model.sources_).all()
    assert example.model.history_["total"][-1] < example.model.history_["total"][0]


def test_it_is_a_density_and_draws_from_it(example):
    with numerics():
        prior = example.Logistic(jnp.float32(-0.5))
        values = np.linspace(-3.0, 3.0, 7)
        expected = logistic(scale=np.exp(-0.5)).logpdf(values).sum()
        np.testing.assert_allclose(prior.log_prob(jnp.asarray(values), None), expected, rtol=1e-6)
        drawn = np.asarray(prior.sample(jax.random.key(0), 5000, None))
    assert kstest(drawn, logistic(scale=np.exp(-0.5)).cdf).pvalue > 1e-3
    np.testing.assert_allclose(prior.spectrum(np.ones(2), 10), logistic(scale=np.exp(-0.5)).var(), rtol=1e-5)


def test_every_prior_there_is_stands_in_the_table():
    assert not [name for name in PRIORS if f"`{name}`" not in PAGE and name != "logistic"]
