"""The numbers in the pages of research/ are those that the benchmarks printed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from pages import filled

from stradiff.train.restarts import RESTART_RUNG

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "research" / "results"


@pytest.fixture(scope="module")
def tables() -> str:
    spec = importlib.util.spec_from_file_location("study", ROOT / "research" / "study.py")
    study = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(study)
    return study.tables(json.loads((RESULTS / "study.json").read_text()))


@pytest.mark.parametrize("document", ["research/study.md", "research/results/study.md"])
def test_document_quotes_the_tables_as_they_came_out(tables, document):
    text = (ROOT / document).read_text()
    for table in tables.split("\n\n"):
        assert table.strip() in text


def test_epoch_cost_is_quoted(tables):
    printed = (RESULTS / "epoch.md").read_text().strip()
    assert printed.splitlines()[-1] in (ROOT / "research" / "study.md").read_text()


def test_default_preset_meets_the_study():
    """What the study promises of the committed results: above 0.995 and close to SOBI where mixing is linear."""
    rows = json.loads((RESULTS / "study.json").read_text())
    by = {(row["problem"], row["method"], row["seed"]): row["correlation"] for row in rows}
    seeds = sorted({row["seed"] for row in rows})
    for seed in seeds:
        for mine, sobi in zip(by["linear", "StrADiff default", seed], by["linear", "SOBI", seed], strict=True):
            assert mine >= 0.995 and mine >= sobi - 0.005
    for problem in ("leaky_relu", "tanh"):
        won = sum(sum(by[problem, "StrADiff default", seed]) > sum(by[problem, "SOBI", seed]) for seed in seeds)
        assert won >= 0.8 * len(seeds)


@pytest.mark.parametrize(
    ("script", "page", "kind"),
    [
        ("group", "group.md", "table"),
        ("nonlinearity", "accuracy.md", "nonlinearity"),
        ("batch", "speed.md", "batch"),
        ("ranking", "accuracy.md", "ranking"),
        ("coverage", "uncertainty.md", "coverage"),
        ("missing", "uncertainty.md", "missing"),
        ("starts", "accuracy.md", "starts"),
    ],
)
def test_pages_hold_the_tables_of_their_benchmarks(script, page, kind):
    rows = json.loads((RESULTS / f"{script}.json").read_text())
    text = (ROOT / "research" / page).read_text()
    table = importlib.import_module(script).table(rows)
    assert filled(text, kind, lambda _: table) == text and table in text


def test_a_restart_chosen_after_its_rung_ends_nearer_to_the_truth_than_one_chosen_at_the_end():
    """On recordings that were not used to choose the epochs of the rung."""
    ranking = importlib.import_module("ranking")
    rows = [row for row in json.loads((RESULTS / "ranking.json").read_text()) if row["seed"] in ranking.UNSEEN]
    assert len(rows) >= 6

    def missed(epoch) -> float:
        return np.mean([max(row["mcc"]) - row["mcc"][int(np.argmin(row["objective"][str(epoch)]))] for row in rows])

    at_random = np.mean([max(row["mcc"]) - np.mean(row["mcc"]) for row in rows])
    assert missed(RESTART_RUNG.epochs) < missed(ranking.END) and missed(RESTART_RUNG.epochs) < 0.5 * at_random
