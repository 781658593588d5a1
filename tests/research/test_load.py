"""The load test, in small: what goes wrong loses nothing, does nothing twice and changes no bit."""

from __future__ import annotations

import json

import load
import pytest


@pytest.mark.slow
def test_killed_workers_corrupt_files_and_a_slow_disk_change_nothing():
    alone, workers = load.measured(7, 2, kills=(1, 0.3), seconds=0.2, cluster=False)
    assert alone["how"] == load.ALONE and workers["how"] == load.WORKERS
    assert workers["kills"] == 1
    for row in (alone, workers):
        assert set(row["digests"]) == {f"recording {k:02}" for k in range(5)}
        assert {name: "ReadError" in error for name, error in row["errors"].items()} == {
            "corrupt 00": True,
            "corrupt 01": True,
        }
        assert row["in order"] and row["same bits"] and not row["left over"]
    assert sum(workers["begun"].values()) <= 7 + workers["kills"]
    assert set(alone["begun"].values()) == {1}
    assert "| lost | 0 | 0 |" in load.table([alone, workers])


def test_the_page_is_that_of_the_results_in_which_nothing_was_lost():
    rows = json.loads((load.RESULTS / "load.json").read_text())["rows"]
    assert load.up_to_date(load.PAGE.read_text(), rows) == load.PAGE.read_text()
    assert [row["how"] for row in rows] == [load.ALONE, load.WORKERS, load.CLUSTER]
    for row in rows:
        assert len(row["digests"]) + len(row["errors"]) == len(row["begun"]) == 40
        assert row["same bits"] and row["in order"]
