"""What a map or a prior is, it says itself: outside their folders nothing asks for a name or a type."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import stradiff
from stradiff.model.mixing import MAPS, Mixing, MixingSpec
from stradiff.model.priors import PRIORS, Prior, PriorSpec

PACKAGE = Path(__file__).parents[1] / "src" / "stradiff"
# The two rooms themselves, and those that hold neither: simulated mixings and noise schedules have such names as well.
ELSEWHERE = ("model/mixing", "model/priors", "model/diffusion", "data", "linear")
MODULES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
CHECKED = [name for name in MODULES if not name.startswith(ELSEWHERE)]
NAMES = {*MAPS, *PRIORS}


def subclasses(base):
    return {sub for direct in base.__subclasses__() for sub in (direct, *subclasses(direct))}


BASES = (Mixing, MixingSpec, Prior, PriorSpec)
KINDS = {one.__name__ for base in BASES for one in subclasses(base)}
TYPES = KINDS | {base.__name__ for base in BASES}


def mentions(node, types=TYPES):
    """Whether an expression holds the name of a map or a prior, or one of the classes."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and part.value in NAMES:
            return True
        if {getattr(part, "id", ""), getattr(part, "attr", "")} & types:
            return True
    return False


def questions(source):
    """Lines that ask what a map or a prior is: by its type, by its name, or in a table of all names."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, kinds]):
                asked = mentions(kinds, KINDS)  # whether it is a map or a prior at all may be asked
            case ast.Compare():
                asked = any(map(mentions, (node.left, *node.comparators)))
            case ast.match_case():
                asked = mentions(node.pattern)
            case ast.Dict(keys=[_, *_]):
                asked = all(isinstance(key, ast.Constant) and key.value in NAMES for key in node.keys)
            case _:
                asked = False
        lines += [ast.unparse(node)] if asked else []
    return lines


@pytest.mark.parametrize(
    "source",
    [
        "isinstance(model.mixing, LinearMap)",
        "isinstance(prior, (int, priors.GaussianProcessPrior))",
        "settings.mixing == 'linear'",
        "'post_nonlinear' != mixing",
        "mixing in ('linear', 'auto')",
        "type(group).spectrum is Prior.spectrum",
        "LABELS = {'rbf': 'RBF', 'ar': 'autoregressive'}",
        "match mixing:\n    case 'mlp':\n        pass",
    ],
)
def test_questions_are_recognised(source):
    assert len(questions(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "mixing = 'linear'",
        "settings.mixing.is_linear",
        "isinstance(values, PriorSpec)",
        "{'mixing': 'mlp'}",
        "x == 'sobi'",
    ],
)
def test_others_are_none(source):
    assert not questions(source)


@pytest.mark.parametrize("name", CHECKED)
def test_nothing_asks_for_a_name_or_a_type(name):
    assert questions(MODULES[name].read_text(encoding="utf-8")) == []


def test_the_package_is_looked_at():
    assert Path(stradiff.__file__).parent == PACKAGE
    assert {"config/presets.py", "posterior/separation.py"} <= set(CHECKED)
