"""The model computes its priors in double precision; so do these tests, throughout."""

from __future__ import annotations

import pytest
from quick_compile import quick_compile

from stradiff.model import numerics


@pytest.fixture(autouse=True)
def _double_precision():
    with numerics():
        yield


@pytest.fixture
def quickly_compiled():
    with quick_compile():
        yield
