"""Tables and pictures put into the page of the docs."""

from __future__ import annotations

from pathlib import Path

import pages

from scaling import plots, tables
from scaling.tables import Results
from scaling.words import NOT_RUN

PICTURES = {
    "prior": "![FFTs that the prior takes, against the samples of a recording](images/scale-prior.png)",
    "epochs": "![Time and memory against samples, sources, channels and steps](images/scale-epochs.png)",
}


def publish(results: Results, docs: Path) -> None:
    """Draw the pictures and bring ``speed.md`` up to date."""
    plots.save(results, docs / "images")
    page = docs / "speed.md"
    page.write_text(filled(page.read_text(encoding="utf-8"), results), encoding="utf-8")


def filled(page: str, results: Results) -> str:
    """``page`` with every part of the results between ``<!-- scale: NAME -->`` and ``<!-- end of scale -->``."""
    return pages.filled(page, "scale", lambda name: block(name, results))


def block(name: str, results: Results) -> str:
    """One part as it stands in the page: table, then picture."""
    text = tables.part(name, results)
    return f"{text}\n\n{PICTURES[name]}" if name in PICTURES and text != NOT_RUN else text
