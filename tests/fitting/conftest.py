"""A fit runs with double precision at hand; so do these tests, throughout."""

from __future__ import annotations

import signal

import pytest

from stradiff.model import numerics


@pytest.fixture(autouse=True)
def _double_precision():
    with numerics():
        yield


@pytest.fixture
def _ctrl_c_is_heard():
    """A shell ignores it for what it starts in the background, and Python keeps to that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
