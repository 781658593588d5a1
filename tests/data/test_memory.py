"""Memory is checked before it is allocated."""

from __future__ import annotations

import os

import pytest

from stradiff.data import available_memory, check_memory, memory
from stradiff.errors import InsufficientMemoryError


def test_the_memory_of_this_machine_is_found():
    available = available_memory()
    assert available is not None
    assert available <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_both_numbers_are_in_the_message(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 3 * 2**30)
    check_memory(3 * 2**30, "Fitting")
    with pytest.raises(InsufficientMemoryError, match=r"^Fitting needs about 4 GiB .* 3 GiB are available; use fewer"):
        check_memory(4 * 2**30, "Fitting")


def test_without_meminfo_the_whole_memory_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    assert available_memory() == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_an_unknown_machine_refuses_nothing(monkeypatch, tmp_path):
    def unknown(name):
        raise ValueError(name)

    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    monkeypatch.setattr(os, "sysconf", unknown)
    assert available_memory() is None
    check_memory(1e30, "Fitting")
