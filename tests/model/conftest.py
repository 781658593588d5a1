"""The model computes its priors in double precision; so do these tests, throughout."""

from __future__ import annotations

import jax
import pytest


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield
