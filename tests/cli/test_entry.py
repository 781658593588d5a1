"""How the process of the script ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stradiff.cli import entry

# A thread that outlives the command, as XLA's do while they compile, and a word that Python says at its end.
PROGRAM = """
import atexit, sys, threading, time
from stradiff.cli import entry
atexit.register(lambda: print("tidied up"))
threading.Thread(target=time.sleep, args=(60,)).start()
def main():
    print("said", end="")
    {ending}
entry.main = main
sys.exit(entry.run())
"""


@pytest.mark.parametrize("ending", ["return 130", "raise KeyboardInterrupt"])
def test_an_interrupted_process_leaves_at_once_and_says_what_it_had_to_say(ending):
    code = PROGRAM.format(ending=ending)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (130, "said")


def test_any_other_exit_code_is_returned(monkeypatch):
    monkeypatch.setattr(entry, "main", lambda: 2)
    assert entry.run() == 2
