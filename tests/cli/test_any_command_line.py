"""Any command line ends in one sentence: options, commands and values drawn at random, of files that are not there."""

from __future__ import annotations

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import typer
from hypothesis import given
from hypothesis import strategies as st

from stradiff.cli import main
from stradiff.cli.app import app

COMMANDS = typer.main.get_command(app).commands
OPTIONS = sorted({name for command in COMMANDS.values() for option in command.params for name in option.opts})
VALUES = st.sampled_from(
    ["", "0", "-1", "1e400", "nan", "auto", "rbf", "9" * 400, "--", "-", "\u00a0", "a,b", "\udc80"]
)
WORDS = st.one_of(st.sampled_from(OPTIONS), VALUES, st.text(max_size=8))


@given(st.sampled_from(["separate", "demo", "compare", "simulate", "report", "info", ""]), st.lists(WORDS, max_size=6))
def test_any_command_line_ends_in_one_sentence(tmp_path_factory, command, words):
    place = str(tmp_path_factory.getbasetemp() / "none" / "recording.csv")
    out, errors = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(errors):
        # The file comes last and is not there: whatever else is wrong or right, nothing is computed.
        code = main([command, *words, "--out", place, place])
    said = out.getvalue() if "--json" in words else errors.getvalue()
    assert code in (0, 2), said
    assert "Traceback" not in said
    assert code == 0 or len(said.splitlines()) == 1, said
    assert code == 0 or len(said) < 1000, said
