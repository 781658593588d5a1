"""Tables and pictures put into the page of the docs."""

from __future__ import annotations

from pathlib import Path

import pages

from pace import plots, tables
from pace.tables import NOT_RUN, Results

PICTURES = {
    "epochs": "![Milliseconds per epoch of three implementations](images/speed-epochs.png)",
    "fits": "![Matched correlation against seconds since the call of fit](images/speed-fits.png)",
}


def publish(results: Results, docs: Path) -> None:
    """Draw the pictures and bring ``speed.md`` up to date."""
    plots.save(results, docs / "images")
    page = docs / "speed.md"
    page.write_text(filled(page.read_text(encoding="utf-8"), results), encoding="utf-8")


def filled(page: str, results: Results) -> str:
    """``page`` with every part of the results between ``<!-- speed: NAME -->`` and ``<!-- end of speed -->``."""
    return pages.filled(page, "speed", lambda name: block(name, results))


def block(name: str, results: Results) -> str:
    """One part as it stands in the page: table, then picture."""
    text = tables.part(name, results)
    return f"{text}\n\n{PICTURES[name]}" if name in PICTURES and text != NOT_RUN else text
