"""Tables and pictures of every tier put into the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pages

from contest import plots
from contest.tables import tier_table
from contest.targets import Row
from contest.tiers import TIERS


def publish(rows: Sequence[Row], folder: Path) -> None:
    """Draw the pictures and bring ``accuracy.md`` up to date."""
    plots.save(rows, folder / "images")
    page = folder / "accuracy.md"
    page.write_text(filled(page.read_text(), rows))


def filled(page: str, rows: Sequence[Row]) -> str:
    """``page`` with the tables of ``rows`` between ``<!-- tier: NAME -->`` and ``<!-- end of tier -->``."""
    return pages.filled(page, "tier", lambda name: block(name, rows))


def block(name: str, rows: Sequence[Row]) -> str:
    """One tier as it stands in the page: picture, then tables."""
    text = tier_table(TIERS[name], rows)
    picture = (
        f"![Correlation of every source by method](images/accuracy-{name}.png)\n\n" if text != pages.NOT_RUN else ""
    )
    return f"{picture}{text}"
