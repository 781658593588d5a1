"""Memory is asked for before it is taken: of the machine, and of a GPU that has its own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from stradiff.data import memory
from stradiff.errors import InsufficientMemoryError
from stradiff.model import devices
from stradiff.posterior import memory as needs

GIBI = 2**30


@pytest.fixture
def card(monkeypatch):
    """A card of eight gibibytes, three of them in use, in a machine of a hundred."""
    stats = {"bytes_limit": 8 * GIBI, "bytes_in_use": 3 * GIBI}
    for module in (devices, needs):
        one = SimpleNamespace(device_kind="Card", memory_stats=lambda: stats)
        monkeypatch.setattr(module, "available_devices", lambda one=one: [one])
    of_machine(monkeypatch, 100 * GIBI)


def of_machine(monkeypatch, available):
    for module in (needs, memory):
        monkeypatch.setattr(module, "available_memory", lambda: available)


def test_a_card_has_memory_of_its_own(card):
    assert devices.free_device_memory() == 5 * GIBI
    with pytest.raises(
        InsufficientMemoryError, match=r"Fitting needs about 6 GiB .* of Card, of which 5 GiB .* device='cpu'"
    ):
        needs.require_memory(6 * GIBI + needs.COMPILING, "Fitting", False)
    assert needs.require_memory(2 * GIBI + needs.COMPILING, "Fitting", False) == 2  # fits at once
    assert needs.require_memory(needs.COMPILING / 2, "Fitting", False) == int(100 * GIBI / (needs.COMPILING / 2))


def test_a_processor_has_the_memory_of_the_machine(monkeypatch):
    assert devices.free_device_memory() is None
    of_machine(monkeypatch, 100 * GIBI)
    assert needs.require_memory(30.0 * GIBI, "Fitting", False) == 3
    of_machine(monkeypatch, None)
    assert needs.require_memory(30.0 * GIBI, "Fitting", False) is None
