"""Memory is checked before it is allocated."""

from __future__ import annotations

import os

import pytest

from stradiff.data import available_memory, check_memory, memory
from stradiff.errors import InsufficientMemoryError


def test_the_available_memory_is_a_part_of_the_machine():
    assert 0 < available_memory() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_both_numbers_are_in_the_message(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 3 * 2**30)
    check_memory(3 * 2**30, "Fitting")
    with pytest.raises(InsufficientMemoryError, match=r"^Fitting needs about 4 GiB .* 3 GiB are available; use fewer"):
        check_memory(4 * 2**30, "Fitting")
