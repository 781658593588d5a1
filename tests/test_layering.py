"""The way of the data is the order of the folders: a module imports from folders to its left, or its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import stradiff

PACKAGE = Path(__file__).parents[1] / "src" / "stradiff"
LAYERS = ("data", "linear", "model", "config", "initialise", "train", "posterior", "assess", "report")
LEAVES = ("errors", "interrupts", "parameters", "types")  # all modules may use them, they use no other
SHELLS = (
    "__init__",
    "__main__",
    "presets",
    "provenance",
    "serialization",
    "fitted",
    "auto_mixing",
    "estimator",
    "jobs",
    "cli",
)  # they may use everybody

MAX_PUBLIC_NAMES = 25
MAX_MODULE_LINES = 350
MAX_BODY_LINES = 40

MODULES = sorted(PACKAGE.rglob("*.py"))
module_cases = pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())


def place(module: str) -> str:
    """First name below the package (``model`` for ``stradiff.model.start``), ``__init__`` for the package."""
    return [*module.split("."), "__init__"][1]


def imported_modules(tree: ast.Module, module: str, is_package: bool) -> list[tuple[int, str]]:
    """Line and dotted name of everything in the package that ``module`` imports, at its top or deeper."""
    parents = module.split(".") if is_package else module.split(".")[:-1]
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = parents[: len(parents) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            # `from stradiff import model` names a folder only in its second half.
            names = [f"stradiff.{alias.name}" for alias in node.names] if base == "stradiff" else [base]
            found += [(node.lineno, name) for name in names]
    return [(line, name) for line, name in found if name.split(".")[0] == "stradiff"]


def allowed(importer: str, imported: str) -> bool:
    """Whether a module in place ``importer`` may import from place ``imported``."""
    if importer == imported or importer in SHELLS:
        return imported != "cli" or importer in ("cli", "__main__")  # nothing stands on the command line
    if importer in LEAVES:
        return imported in LEAVES
    if imported in LEAVES:
        return True
    return importer in LAYERS and imported in LAYERS and LAYERS.index(imported) < LAYERS.index(importer)


def wrong_imports(source: str, module: str, is_package: bool = False) -> list[str]:
    imports = imported_modules(ast.parse(source), module, is_package)
    return [f"line {line}: {name}" for line, name in imports if not allowed(place(module), place(name))]


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the last one."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("stradiff.model.start", "from stradiff.train import trainer"),
        ("stradiff.model.start", "from stradiff import fitting"),
        ("stradiff.model.start", "import stradiff.report.plots"),
        ("stradiff.model.priors.base", "from ...inference.posterior import draw"),
        ("stradiff.model.priors.base", "from ... import estimator"),
        ("stradiff.assess.metrics", "def f():\n    from stradiff.report import plots"),
        ("stradiff.train.step", "from stradiff import StrADiff"),
        ("stradiff.errors", "from stradiff.data import Recording"),
        ("stradiff.estimator", "from stradiff.cli import app"),
    ],
)
def test_the_rule_refuses(module, statement):
    assert wrong_imports(statement, module)


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("stradiff.train.step", "from stradiff.model import start"),
        ("stradiff.train.step", "from ..model.start import sample"),
        ("stradiff.model.priors.dense", "from .base import Prior"),
        ("stradiff.report.html", "from stradiff.errors import OptionError"),
        ("stradiff.estimator", "from stradiff import presets"),
        ("stradiff.data.readers", "import numpy.linalg"),
    ],
)
def test_the_rule_lets_pass(module, statement):
    assert not wrong_imports(statement, module)


@module_cases
def test_module_imports_only_to_its_left(path):
    parts = ("stradiff", *path.relative_to(PACKAGE).with_suffix("").parts)
    is_package = parts[-1] == "__init__"
    module = ".".join(parts[:-1] if is_package else parts)
    assert not wrong_imports(path.read_text(encoding="utf-8"), module, is_package)


def test_every_module_has_a_place():
    top = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in MODULES}
    assert top <= {*LAYERS, *LEAVES, *SHELLS}
    assert top >= {*LAYERS}


@module_cases
def test_module_is_short(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= MAX_MODULE_LINES
    nodes = ast.walk(ast.parse(source))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert not [f"{f.name} (line {f.lineno})" for f in functions if body_lines(f) > MAX_BODY_LINES]


def test_public_names_are_few_and_exist():
    names = stradiff.__all__
    assert 0 < len(names) <= MAX_PUBLIC_NAMES
    assert len(set(names)) == len(names)
    assert not [name for name in names if not hasattr(stradiff, name)]
