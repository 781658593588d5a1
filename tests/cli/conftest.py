"""One small recording and one short fit, made by the commands themselves, for all tests of the command line."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from stradiff.cli import main


@pytest.fixture
def run(capsys):
    """Run a command line; what came back: its exit code and what it printed."""

    def _run(*arguments: object) -> SimpleNamespace:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return SimpleNamespace(code=code, out=printed.out, err=printed.err, json=lambda: json.loads(printed.out))

    return _run


@pytest.fixture(scope="session")
def simulated(tmp_path_factory) -> Path:
    """Folder with recording.csv (150 samples, 3 channels) and its true sources.csv."""
    folder = tmp_path_factory.mktemp("simulated")
    assert main(["simulate", "linear", "--samples", "150", "--out", str(folder), "--quiet"]) == 0
    return folder


@pytest.fixture(scope="session")
def separated(simulated, tmp_path_factory) -> Path:
    """Folder with everything that a separation of four epochs writes."""
    folder = tmp_path_factory.mktemp("separated")
    arguments = ["separate", str(simulated / "recording.csv"), "-n", "3", "--max-epochs", "4", "--seed", "5"]
    assert main([*arguments, "--sampling-rate", "10", "--out", str(folder), "--quiet"]) == 0
    return folder


@pytest.fixture(scope="session")
def table():
    """Read a CSV as a dictionary of columns."""

    def _table(path: Path) -> dict[str, np.ndarray]:
        names = path.read_text().splitlines()[0].split(",")
        return dict(zip(names, np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2).T, strict=True))

    return _table
