"""A fit runs with double precision at hand; so do these tests, throughout."""

from __future__ import annotations

import pytest

from stradiff.model import numerics


@pytest.fixture(autouse=True)
def _double_precision():
    with numerics():
        yield
