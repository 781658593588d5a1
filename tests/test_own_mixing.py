"""A mixing map of one's own: one module and one specification."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from as_users_call import as_users_call
from own_models import QuadraticMap, QuadraticSpec

from stradiff import StrADiff, register_mixing
from stradiff.errors import OptionError
from stradiff.model.mixing import MAPS, MLP, mixing_spec


def test_names_that_are_none_and_maps_that_are_not_known():
    with pytest.raises(OptionError, match="letters, digits"):
        register_mixing(type("Odd", (QuadraticSpec,), {"name": "auto"})())
    with as_users_call(), pytest.raises(OptionError, match="no MixingSpec"):
        register_mixing(3)
    with pytest.raises(OptionError, match="mixing='quadratic' does not exist"):
        StrADiff(3, mixing="quadratic").fit(np.random.default_rng(0).standard_normal((100, 4)))


def test_a_map_that_no_other_session_could_name_is_refused(monkeypatch):
    with pytest.raises(OptionError, match=r"give it to stradiff\.register_mixing"):
        mixing_spec(QuadraticSpec())
    monkeypatch.setitem(MAPS, "quadratic", QuadraticSpec())
    assert mixing_spec(QuadraticSpec(strength=0.3)) == QuadraticSpec(strength=0.3)
    assert isinstance(mixing_spec("quadratic").build(2, 3, unit_columns=True, key=jax.random.key(0)), QuadraticMap)


@pytest.mark.parametrize("name", MAPS)
def test_specifications_come_back_from_what_is_saved(name):
    spec = mixing_spec(name)
    assert mixing_spec(spec.as_dict()) == spec and spec.name == name
    with pytest.raises(OptionError, match="no parameter 'curve'"):
        mixing_spec({**spec.as_dict(), "curve": 3})


def test_they_print_as_the_call_that_makes_them():
    assert repr(MLP(width=64, depth=2)) == "MLP(width=64)" and eval(repr(MLP(64))) == MLP(width=64)
