"""Records of parameters: validated, printed so that they can be pasted back, seen by scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from stradiff.errors import OptionError
from stradiff.parameters import FLAG, NON_NEGATIVE, POSITIVE, Parameters, choice, count, parameter, per_source


class Filter(Parameters):
    """A record as the configurations are."""

    order: int = parameter(4, count(1), "two resonances")
    kind: str = parameter("low", choice("low", "high"), "what most ask for")
    cutoff: float | tuple[float, ...] | None = parameter(None, per_source(POSITIVE), "the preset's")
    ripple: float = parameter(0.0, NON_NEGATIVE, "none")
    causal: bool = parameter(False, FLAG, "recordings are whole")


@pytest.mark.parametrize("given", [{}, {"order": 2}, {"kind": "high", "cutoff": (0.1, 0.2)}, {"causal": True}])
def test_it_prints_itself_so_that_it_can_be_pasted_back(given):
    record = Filter(**given)
    assert eval(repr(record)) == record and hash(eval(repr(record))) == hash(record)
    assert all(name in repr(record) for name in given)


@pytest.mark.parametrize(
    "wrong",
    [
        {"order": 0},
        {"order": True},
        {"order": 2.5},
        {"kind": "band"},
        {"kind": 3},
        {"cutoff": 0.0},
        {"cutoff": (0.1, -1.0)},
        {"cutoff": ()},
        {"ripple": float("nan")},
        {"ripple": 10**400},
        {"causal": 1},
        {"cutoff": "x" * 200},
    ],
)
def test_a_wrong_value_gets_one_short_sentence(wrong):
    (name,) = wrong
    with pytest.raises(OptionError, match=rf"^{name}=.{{1,45}} must be .*\.$"):
        Filter(**wrong)


def test_numpy_values_become_plain_ones():
    record = Filter(order=np.int64(3), cutoff=np.array([0.1, 0.2]))
    assert type(record.order) is int and record.cutoff == (0.1, 0.2)


def test_what_is_not_given_comes_from_the_preset():
    preset = Filter(cutoff=0.5, order=8)
    assert Filter().over(preset).cutoff == 0.5
    assert Filter(cutoff=0.1).over(preset).cutoff == 0.1


def test_scikit_learn_can_clone_and_list_it():
    record = Filter(order=2)
    assert clone(record) is record and record.get_params()["order"] == 2


def test_an_unknown_field_is_refused_with_those_there_are():
    with pytest.raises(OptionError, match="Filter has no parameter 'width'; it has order, kind"):
        Filter().replace(width=3)


def test_every_default_has_a_reason():
    assert {name: default for name, (default, reason) in Filter.reasons().items() if reason} == dict(Filter().items())
