"""The numbers and pictures on the pages for users are those of the benchmarks' results."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import user_pages

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", user_pages.PAGES)
def test_pages_hold_the_tables_of_the_results(name):
    page = (ROOT / name).read_text(encoding="utf-8")
    assert user_pages.up_to_date(page) == page
    assert re.search(r"<!-- measured: \w+ -->\n\n\| ", page)


def test_every_table_and_picture_is_on_a_page():
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in user_pages.PAGES)
    assert {*re.findall(r"<!-- measured: (\w+) -->", text)} == {*user_pages.TABLES}
    assert {*re.findall(r"\]\(images/(\w+)\.png\)", text)} == {*user_pages.PICTURES}


@pytest.mark.parametrize("name", user_pages.PICTURES)
def test_pictures_have_a_row_for_each_case(name):
    figure = user_pages.PICTURES[name]()
    (panel,) = figure.axes
    rows = {"accuracy": len(user_pages.PROBLEMS), "speed": len(user_pages.whole_fits())}[name]
    assert len(panel.get_yticks()) == rows
    plt.close(figure)


def test_a_median_stands_beside_the_worst_recording():
    rows = [{"problem": "p", "method": "SOBI", "pearson": [value, 1.0]} for value in (0.2, 0.6, 0.8)]
    rows.append({"problem": "p", "method": "SOBI", "error": "stopped"})
    values = user_pages.scores(rows, "p", "SOBI")
    np.testing.assert_allclose(values, [0.6, 0.8, 0.9])
    assert user_pages._median(values) == "0.800 (0.600)"
    assert user_pages._median(user_pages.scores(rows, "p", "FastICA")) == ""


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_pages_for_users_name_no_revision_no_date_and_no_seeds(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"\b[0-9a-f]{7,40}\b(?<=\d)|\b20\d\d-\d\d-\d\d\b|[Ss]eeds? \d+ (?:to|and|,)", text)
    assert not re.search(
        r"\b\d{1,2} (?:January|February|March|April|May|June|July|August|September|October|November|December)\b", text
    )
