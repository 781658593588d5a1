"""docs/paper.md leads from every equation and every line of Algorithm 1 to code and a test that exist."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| ([(\d), ]+) \| .*? \| `([\w.]+)` \| `([\w/.]+)::(\w+)` \|$")
ROWS = [match.groups() for line in (ROOT / "docs" / "paper.md").read_text().splitlines() if (match := ROW.match(line))]


def numbers(in_brackets: bool) -> set[int]:
    cells = [cell for cell, *_ in ROWS if ("(" in cell) == in_brackets]
    return {int(number) for cell in cells for number in re.findall(r"\d+", cell)}


def test_every_equation_has_a_row():
    assert numbers(in_brackets=True) == set(range(1, 37))


def test_every_line_of_the_algorithm_has_a_row():
    assert numbers(in_brackets=False) == set(range(1, 25))


@pytest.mark.parametrize("name", sorted({function for _, function, _, _ in ROWS}))
def test_function_exists_and_has_a_docstring(name):
    module, parts = name.split("."), []
    while not (ROOT / "src" / "stradiff" / Path(*module)).with_suffix(".py").is_file():
        parts.insert(0, module.pop())
    value = import_module(".".join(["stradiff", *module]))
    for part in parts:
        value = getattr(value, part)
    assert parts and value.__doc__


@pytest.mark.parametrize("path, name", sorted({(path, test) for *_, path, test in ROWS}))
def test_test_exists(path, name):
    tree = ast.parse((ROOT / "tests" / path).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
