"""Memory is checked before it is allocated: that of the machine, and that of a GPU."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from stradiff.data import memory
from stradiff.errors import InsufficientMemoryError
from stradiff.model import devices
from stradiff.posterior import memory as estimate

GIBI = 2**30


@pytest.fixture
def card(monkeypatch):
    """A card of eight gibibytes, three of them in use, in a machine of a hundred."""
    stats = {"bytes_limit": 8 * GIBI, "bytes_in_use": 3 * GIBI}
    for module in (devices, estimate):
        one = SimpleNamespace(device_kind="Card", memory_stats=lambda: stats)
        monkeypatch.setattr(module, "available_devices", lambda one=one: [one])
    of_machine(monkeypatch, 100 * GIBI)


def of_machine(monkeypatch, available):
    for module in (estimate, memory):
        monkeypatch.setattr(module, "available_memory", lambda: available)


def test_a_card_has_memory_of_its_own(card):
    assert devices.free_device_memory() == 5 * GIBI
    with pytest.raises(
        InsufficientMemoryError, match=r"Fitting needs about 6 GiB .* of Card, of which 5 GiB .* device='cpu'"
    ):
        estimate.require_memory(6 * GIBI + estimate.COMPILING, "Fitting", False)
    assert estimate.require_memory(2 * GIBI + estimate.COMPILING, "Fitting", False) == 2  # fits at once
    assert estimate.require_memory(estimate.COMPILING / 2, "Fitting", False) == int(
        100 * GIBI / (estimate.COMPILING / 2)
    )


def test_a_processor_has_the_memory_of_the_machine(monkeypatch):
    assert devices.free_device_memory() is None
    of_machine(monkeypatch, 100 * GIBI)
    assert estimate.require_memory(30.0 * GIBI, "Fitting", False) == 3
