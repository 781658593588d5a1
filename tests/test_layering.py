"""The way of the data is the order of the layers: a module imports from layers to its left, or from its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import stradiff

PACKAGE = Path(__file__).parents[1] / "src" / "stradiff"
LAYERS = (
    "data",
    "serialization",
    "linear",
    "model",
    "config",
    "initialise",
    "train",
    "posterior",
    "assess",
    "report",
    "prepare",
    "pipeline",
    "fit_file",
    "estimator",
    "jobs",
    "cli",
)
LEAVES = ("errors", "files", "interrupts", "parameters")  # all layers may import them, they import one another alone
ENTRIES = {"__init__": LAYERS[:-1], "__main__": ("cli",)}  # the public names, and ``python -m stradiff``

MAX_PUBLIC_NAMES = 40
MAX_BODY_LINES = 40

MODULES = sorted(PACKAGE.rglob("*.py"))
module_cases = pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())


def layer(module: str) -> str:
    """First name below the package (``model`` for ``stradiff.model.start``), ``__init__`` for the package."""
    return [*module.split("."), "__init__"][1]


def imported_modules(tree: ast.Module, module: str, is_package: bool) -> list[tuple[int, str]]:
    """Line and dotted name of everything in the package that ``module`` imports, at its top or deeper."""
    parents = module.split(".") if is_package else module.split(".")[:-1]
    imports = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = parents[: len(parents) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            # `from stradiff import model` names a folder only in its second half.
            names = [f"stradiff.{alias.name}" for alias in node.names] if base == "stradiff" else [base]
            imports += [(node.lineno, name) for name in names]
    return [(line, name) for line, name in imports if name.split(".")[0] == "stradiff"]


def allowed(importer: str, imported: str) -> bool:
    """Whether a module of layer ``importer`` may import from layer ``imported``."""
    if imported in LEAVES or importer == imported != "__init__":
        return True
    return imported in ENTRIES.get(importer, LAYERS[: LAYERS.index(importer)] if importer in LAYERS else ())


def wrong_imports(source: str, module: str, is_package: bool = False) -> list[str]:
    imports = imported_modules(ast.parse(source), module, is_package)
    return [f"line {line}: {name}" for line, name in imports if not allowed(layer(module), layer(name))]


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the last one."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("stradiff.model.start", "from stradiff.train import train"),
        ("stradiff.model.start", "from stradiff import pipeline"),
        ("stradiff.model.start", "import stradiff.report.plots"),
        ("stradiff.model.priors.base", "from ...posterior.laplace import draw_error"),
        ("stradiff.model.priors.base", "from ... import estimator"),
        ("stradiff.assess.metrics", "def f():\n    from stradiff.report import plots"),
        ("stradiff.linear.base", "if TYPE_CHECKING:\n    from stradiff.model import Model"),
        ("stradiff.serialization", "from stradiff.model import Model"),
        ("stradiff.data.writers", "from stradiff import serialization"),
        ("stradiff.pipeline", "from stradiff.estimator import StrADiff"),
        ("stradiff.fit_file", "import stradiff.estimator"),
        ("stradiff.estimator", "from stradiff import jobs"),
        ("stradiff.cli.app", "from stradiff import __version__"),
        ("stradiff", "from stradiff.cli import run"),
        ("stradiff.__main__", "from stradiff import StrADiff"),
        ("stradiff.unknown", "from stradiff.data import Recording"),
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
        ("stradiff.train.checkpoint", "from stradiff import serialization"),
        ("stradiff.estimator", "from stradiff import fit_file"),
        ("stradiff.cli.app", "def f():\n    from stradiff.jobs import fit_many"),
        ("stradiff.parameters", "from stradiff.errors import OptionError"),
        ("stradiff", "from stradiff.jobs import fit_many"),
        ("stradiff.__main__", "from stradiff.cli import run"),
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


def test_every_module_has_a_layer():
    top = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in MODULES}
    assert {*LAYERS, *ENTRIES} <= top <= {*LAYERS, *LEAVES, *ENTRIES}


@module_cases
def test_functions_are_short(path):
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert not [f"{f.name} (line {f.lineno})" for f in functions if body_lines(f) > MAX_BODY_LINES]


def test_public_names_are_few_and_exist():
    names = stradiff.__all__
    assert 0 < len(names) <= MAX_PUBLIC_NAMES
    assert len(set(names)) == len(names)
    assert not [name for name in names if not hasattr(stradiff, name)]
