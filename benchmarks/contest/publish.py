"""Tables and pictures in the docs: each tier between two comments of the page, so that they cannot go stale unseen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from contest import plots
from contest.tables import NOT_RUN, tier_table
from contest.targets import Row
from contest.tiers import TIERS

BLOCK = re.compile(r"<!-- tier: (\w+) -->\n.*?<!-- end of tier -->", re.DOTALL)


def publish(rows: Sequence[Row], docs: Path) -> None:
    """Draw the pictures and bring ``accuracy.md`` up to date."""
    plots.save(rows, docs / "images")
    page = docs / "accuracy.md"
    page.write_text(filled(page.read_text(), rows))


def filled(page: str, rows: Sequence[Row]) -> str:
    """``page`` with the tables of ``rows`` between ``<!-- tier: NAME -->`` and ``<!-- end of tier -->``."""
    return BLOCK.sub(lambda match: block(match[1], rows), page)


def block(name: str, rows: Sequence[Row]) -> str:
    """One tier as it stands in the page: picture, then tables."""
    text = tier_table(TIERS[name], rows)
    picture = f"![Correlation of every source by method](images/accuracy-{name}.png)\n\n" if text != NOT_RUN else ""
    return f"<!-- tier: {name} -->\n\n{picture}{text}\n\n<!-- end of tier -->"
