"""The benchmark of devices: every kind is measured in turn, and the page is that of the results."""

from __future__ import annotations

import json
import sys

import devices
import jax
import jax.numpy as jnp
import pytest
from scaling import device_tables
from scaling import devices as measuring


def epoch_row(case, seconds=0.01):
    held = 2**30 if case["device"] == "gpu" else None
    return {"case": case, "epoch": seconds, "until_ready": 3.0, "card": "Card", "on_device": held}


@pytest.mark.parametrize("part", measuring.MEASURED)
def test_a_case_is_measured_on_the_device_that_is_named(part, monkeypatch):
    (cpu,) = jax.local_devices(backend="cpu")[:1]
    monkeypatch.setitem(measuring.MEASURED, part, lambda case: {"devices": jnp.ones(3).devices(), "T": case["T"]})
    row = measuring.measured({"part": part, "T": 120, "device": "cpu"})
    assert row == {"devices": {cpu}, "T": 120, "card": cpu.device_kind, "on_device": None}


def test_each_case_comes_on_every_device_in_turn():
    assert "cpu" in measuring.measured({"part": "here"})["platforms"]
    for part in ("epochs", "fits"):
        every = measuring.cases(part, ["cpu", "gpu"], False)
        assert len({json.dumps(case) for case in every}) == len(every) > len(measuring.cases(part, ["cpu"], True)) == 1
        assert [case["device"] for case in every[:4]] == ["cpu", "gpu", "cpu", "gpu"]


@pytest.fixture
def program(monkeypatch, tmp_path):
    """The program on a machine with both kinds of device, with measurements that take no time; what it measured."""
    asked = []

    def fresh(part, case, limit):
        asked.append(case["device"])
        return epoch_row(case, 0.01 if case["device"] == "cpu" else 0.002)

    monkeypatch.setattr(devices, "fresh", fresh)
    monkeypatch.setattr(measuring, "platforms", lambda: ["cpu", "gpu"])

    def run(*words):
        asked.clear()
        path = tmp_path / "results.json"
        monkeypatch.setattr(sys, "argv", ["devices.py", "--quick", "--results", str(path), "--parts", "epochs", *words])
        devices.main()
        return list(asked), json.loads(path.read_text())["epochs"]

    return run


def test_one_device_at_a_time_and_again(program, capsys):
    assert program("--devices", "gpu")[0] == ["gpu"]
    assert program()[0] == ["cpu"]  # what was lacking
    assert program()[0] == []
    asked, rows = program("--devices", "gpu", "--again")
    assert asked == ["gpu"] and sorted(row["case"]["device"] for row in rows) == ["cpu", "gpu"]
    printed = capsys.readouterr().out
    assert "| Card | 3 | 2 | 5 | 1.00 |" in printed  # five times as quick as the processor


def test_a_row_without_a_result_says_so():
    cpu, gpu = measuring.cases("epochs", ["cpu", "gpu"], True)
    text = device_tables.epochs([{"case": cpu, "stopped": 300.0}, epoch_row(gpu)])
    assert "| the processor | more than 5 min |  |  |  |" in text and "| Card | 3 | 10 |  | 1.00 |" in text
    assert len({line.count("|") for line in text.splitlines()}) == 1
