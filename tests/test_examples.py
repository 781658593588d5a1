"""The examples run as they stand, with fewer samples and epochs."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from quick_compile import quick_compile

EXAMPLES = Path(__file__).parents[1] / "examples"
SHORT = ["--samples", "150", "--max-epochs", "2"]
OPTIONS = {
    "linear.py": (SHORT, "true values inside the 95 % bands"),
    "nonlinear.py": ([*SHORT, "--out", "nonlinear.stradiff"], "loaded: True"),
    "group.py": ([*SHORT, "--trials", "2", "--out", "trials"], "trial_2"),
}


def test_every_example_is_run():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*OPTIONS}


@pytest.mark.filterwarnings("ignore")  # so short a fit has not converged
@pytest.mark.parametrize("name", OPTIONS)
def test_example(name, monkeypatch, tmp_path, capsys):
    options, expected = OPTIONS[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name, *options])
    with quick_compile():
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    assert expected in capsys.readouterr().out
