"""Inference runs in the same surroundings as a fit."""

from __future__ import annotations

import pytest

from stradiff.model import numerics


@pytest.fixture(autouse=True)
def _double_precision():
    with numerics():
        yield
