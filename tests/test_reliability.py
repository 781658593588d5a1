"""Every promise of the page on reliability names tests that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_test_that_is_named_is_there(file, test):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_promise_has_a_test():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and line.endswith(" |")]
    promises = [row for row in rows if "|" in row and not row.startswith(("| promise", "| whatever"))]
    measured = PAGE[PAGE.index("<!-- measured") :].splitlines()
    assert len(NAMED) > 20
    assert all("::test_" in row for row in promises if row not in measured)
