"""Python in the pages of the project, run as modules."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stradiff.data.readers import READERS
from stradiff.model.mixing import MAPS
from stradiff.model.priors import PRIORS

ROOT = Path(__file__).parents[1]


def snippets(page: str) -> list[str]:
    """The blocks of Python on a page, in order."""
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@contextmanager
def run(code: str, name: str) -> Iterator[types.ModuleType]:
    """A module of this code; what it registers is gone afterwards."""
    module, before = types.ModuleType(name), [(table, dict(table)) for table in (MAPS, PRIORS, READERS)]
    sys.modules[name] = module  # where equinox looks its classes up
    try:
        exec(compile(code, name, "exec"), module.__dict__)
        yield module
    finally:
        del sys.modules[name]
        for table, known in before:
            table.clear()
            table.update(known)
