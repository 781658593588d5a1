"""Pages and printed tables of the benchmarks of times are those of their results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from devices import DEVICES
from scale import SCALE
from speed import SPEED

FOLDER = Path(__file__).parents[2] / "research"
TABLES = (
    (SPEED, ("machine", "epochs", "fits", "roofline", "parts")),
    (SCALE, SCALE.tables.PARTS),
    (DEVICES, DEVICES.tables.PARTS),
)


@pytest.mark.parametrize(("timed", "names"), TABLES, ids=[timed.name for timed, _ in TABLES])
def test_the_page_and_the_printed_tables_are_those_of_the_results(timed, names):
    path = FOLDER / "results" / f"{timed.name}.json"
    results = json.loads(path.read_text())
    page = (FOLDER / timed.page).read_text(encoding="utf-8")
    assert timed.filled(page, results) == page
    for name in names:
        assert f"<!-- {timed.name}: {name} -->" in page
    assert path.with_suffix(".md").read_text(encoding="utf-8") == timed.tables.page(results) + "\n"
