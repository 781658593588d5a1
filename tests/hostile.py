"""Values that no parameter expects, and what a refusal of one looks like."""

from __future__ import annotations

import enum
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import strategies as st


class Unprintable:
    """An object whose print fails."""

    def __repr__(self):
        raise RuntimeError("no")


class Three(enum.IntEnum):
    """A whole number with a name."""

    THREE = 3


HOLDS_ITSELF: list = []
HOLDS_ITSELF.append(HOLDS_ITSELF)
TABLE_HOLDS_ITSELF: dict = {}
TABLE_HOLDS_ITSELF["name"] = TABLE_HOLDS_ITSELF

NUMBERS = [0, 1, 3, -1, 2.5, True, False, 10**9, 10**30, 10**400, -(10**400), 10**5000, 1e30, 1e31, 1e308, 5e-324]
NUMBERS += [float("nan"), float("inf"), -float("inf"), -0.0, 1j, Three.THREE]
OTHERS_NUMBERS = [np.float16(0.5), np.float32(0.1), np.longdouble("0.1"), np.int8(3), np.uint64(2**63), np.bool_(True)]
OTHERS_NUMBERS += [np.array(3), np.array(0.5), np.array(True), np.array("auto"), np.array(None), np.complex64(1)]
OTHERS_NUMBERS += [np.datetime64("2020-01-01"), np.timedelta64(3), Decimal("0.5"), Decimal("0.1"), Decimal("NaN")]
OTHERS_NUMBERS += [Decimal("sNaN"), Decimal("1E+999999999"), Fraction(1, 2), Fraction(1, 3), Fraction(10**400)]
TEXTS = ["", " ", "auto", "linear", "rbf", "rbf+" * 50, "a" * 5000, "a/" * 3000, "a\0b", "a\nb", "\ud800", "ü" * 150]
TEXTS += [b"auto", bytearray(b"auto"), np.str_("auto"), Path("a\0b"), Path("a" * 300), Path("/"), "/", ".", ".."]
CONTAINERS = [[], (), {}, set(), range(3), [1], [True], [[1]], ["auto"], [None], [0.5, float("nan")], [b"a"]]
CONTAINERS += [np.array([1, 2]), np.zeros((2, 2)), np.zeros(0), np.array([1, "a"], object), pd.Series([1.0, 2.0])]
CONTAINERS += [pd.DataFrame({"a": [1]}), HOLDS_ITSELF, TABLE_HOLDS_ITSELF, {"name": "mlp"}, {"name": 3}, {1: 2}]
CONTAINERS += [{"name": "dense", "width": 10**400}, {"name": "ar", "order": True}, {"path": "a\0b"}, {"n_draws": 5}]
CONTAINERS += [{"name": "a" * 5000}, {"a" * 5000: 1}, [{"name": ["rbf"]}], {"name": {"name": "mlp"}}]
OBJECTS = [None, object(), Unprintable(), int, print, lambda report: None, Ellipsis, NotImplemented, slice(3)]
POOL = [*NUMBERS, *OTHERS_NUMBERS, *TEXTS, *CONTAINERS, *OBJECTS]


def one_of(pool):
    """Any of these; by position, as some of them cannot be printed."""
    return st.integers(0, len(pool) - 1).map(lambda position: pool[position])


SIMPLE = st.one_of(st.integers(), st.floats(), st.text(max_size=9), st.binary(max_size=3), st.booleans(), st.none())
values = st.one_of(
    one_of(POOL),
    SIMPLE,
    st.recursive(SIMPLE | one_of(NUMBERS), lambda each: st.lists(each, max_size=3) | st.tuples(each), max_leaves=5),
    st.dictionaries(
        st.sampled_from(["name", "width", "order", "path", "tol", "max_epochs"]) | SIMPLE, SIMPLE, max_size=3
    ),
)


def assert_refusal(error, *names, path=""):
    """One short line that names the parameter; the ``path`` of a file in it is not counted."""
    sentence = str(error).replace(str(path), "") if path else str(error)
    assert "\n" not in sentence and len(sentence) < 300 and sentence.endswith("."), sentence
    assert not names or any(name.lower() in sentence.lower() for name in names), sentence
    sentence.encode(errors="strict")  # it can be printed
