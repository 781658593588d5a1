"""A mixing map of one's own: one class, made known by a name, is used from the fit to the file."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from as_users_call import as_users_call
from quick_compile import quick_compile

from stradiff import StrADiff, register_mixing, simulate
from stradiff.errors import OptionError
from stradiff.model.mixing import MAPS, Mixing


class Quadratic(Mixing):
    """A matrix, and another for the squares of the sources."""

    matrix: jax.Array  # (m, n)
    squares: jax.Array

    def __call__(self, sources: jax.Array) -> jax.Array:
        return self.matrix @ sources + self.squares @ sources**2


@pytest.fixture
def quadratic():
    def make(told, key):
        matrix = jax.random.normal(key, (told.n_channels, told.n_sources), jnp.float32)
        return Quadratic(matrix, 0.1 * told.output_scale * matrix)

    register_mixing("quadratic", make)
    yield
    del MAPS["quadratic"]


@pytest.mark.filterwarnings("ignore")
def test_it_is_fitted_kept_and_named(quadratic, tmp_path):
    Y = simulate("linear", n_samples=150, seed=0).recording.values
    model = StrADiff(3, mixing="quadratic", max_epochs=3, tol=0.0, uncertainty="monte-carlo", verbose=False)
    with quick_compile():
        model.fit(Y)
    assert isinstance(model._separation.model.mixing, Quadratic)
    model.save(tmp_path / "fit.stradiff")
    again = StrADiff.load(tmp_path / "fit.stradiff")
    assert isinstance(again._separation.model.mixing, Quadratic)
    np.testing.assert_array_equal(again.sources_, model.sources_)
    assert eqx.tree_equal(again._separation.model.mixing, model._separation.model.mixing)


def test_names_that_are_none_and_maps_that_are_not_known():
    with pytest.raises(OptionError, match="letters, digits"):
        register_mixing("auto", lambda told, key: None)
    with as_users_call(), pytest.raises(OptionError, match="must be a function"):
        register_mixing("bent", 3)
    with pytest.raises(OptionError, match="mixing='quadratic' does not exist"):
        StrADiff(3, mixing="quadratic").fit(np.random.default_rng(0).standard_normal((100, 4)))
