"""The benchmark of scale: rows can be measured, sums are right, and the page is that of the results."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import scale
from pages import NOT_RUN
from quick_compile import quick_compile
from scaling import epochs, expect, fits, memory, network, one_process, prior, prior_tables, tables, workers
from timing import machine

LINUX = pytest.mark.skipif(not memory.FORGET.exists(), reason="only Linux reports it")


# --- measuring -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [prior.kinds()[0], prior.kinds()[-1]], ids=lambda kind: kind["kernel"])
def test_a_prior_is_timed_and_checked(kind, monkeypatch):
    monkeypatch.setattr(prior, "ROUNDS", 1)
    with quick_compile():
        row = prior.measured({**kind, "T": 200})
        assert set(row["seconds"]) == {"prior", "jax", "scipy"} and min(row["seconds"].values()) > 0
        errors = prior.measured({**kind, "T": 200, "check": True})
    assert set(errors) == {"value", "by_source", "by_parameters"} and max(errors.values()) < prior_tables.EXACT


def test_calls_take_turns(monkeypatch):
    monkeypatch.setattr(prior, "LEAST", 0.0)
    asked = []
    seconds = prior.in_turn({name: lambda name=name: asked.append(name) for name in "ab"})
    assert asked[-2 * prior.ROUNDS :] == ["a", "b"] * prior.ROUNDS and set(seconds) == {"a", "b"}


def test_an_epoch_is_timed(monkeypatch):
    monkeypatch.setattr(epochs, "LEAST", 0.0)
    monkeypatch.setattr(epochs, "CHUNKS", 1)
    with quick_compile():
        row = epochs.measured({"mixing": "linear", "T": 120, "n": 2, "m": 3, "L": 2})
    assert row["epoch"] > 0 and row["epochs_per_pass"] == 1 and row["network"] == "dense"
    assert row["estimated"] > 0 and row["memory"] >= 0


def test_every_part_names_its_cases():
    for quick in (True, False):
        for part in (prior, epochs, fits, network, workers):
            every = part.cases(quick)
            assert len({json.dumps(case) for case in every}) == len(every) and part.LIMIT > 0
    assert {case["T"] for case in prior.cases(False)} == {*prior.T_TIMED, prior.T_CHECKED}


@LINUX
def test_memory_is_the_most_that_was_held():
    peak = memory.Peak()
    held = np.ones(10_000_000)
    del held
    assert 7.5e7 < peak.bytes() < 2e8
    peak.forget()
    assert peak.bytes() < 4e7


def test_a_row_comes_from_a_process_of_its_own_and_says_what_went_wrong(tmp_path, monkeypatch):
    code = (
        "import json, os, sys, time\n"
        "case = json.loads(sys.argv[2])\n"
        "time.sleep(case.get('sleep', 0))\n"
        "print('words')\n"
        "sys.exit(3) if case.get('fails') else print(json.dumps({'cache': os.environ['STRADIFF_CACHE']}))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    monkeypatch.setattr(one_process, "__file__", str(script))
    row = one_process.fresh("prior", {"T": 1}, 60)
    assert row["case"] == {"T": 1} and "stradiff-scale-" in row["cache"]
    assert one_process.fresh("prior", {"fails": True}, 60) == {"case": {"fails": True}, "failed": 3}
    assert one_process.fresh("prior", {"sleep": 9}, 0.5) == {"case": {"sleep": 9}, "stopped": 0.5}


# --- sums ----------------------------------------------------------------------------------------------------


def test_exponents_are_those_of_a_pass_as_well():
    assert epochs.exponent([10, 100, 1000], [3 * size**1.5 for size in (10, 100, 1000)]) == pytest.approx(1.5)
    rows = [epoch_row(1_000, 0.01, 1), epoch_row(10_000, 0.1, 1), epoch_row(1_000_000, 0.1, 100)]
    text = tables.exponents("T", rows)
    assert "time per epoch 0.29 (0.00)" in text and "time per pass 1.00 (1.00)" in text


def test_a_fit_is_divided_into_stages():
    stages = fits.stages([(100, 7.0), (200, 8.0), (300, 9.0)], 12.0)
    assert stages == pytest.approx({"start": 6.0, "training": 3.0, "after": 3.0, "seconds": 12.0})


def test_a_ratio_is_to_the_quicker_transform():
    row = prior_row(1000)
    assert prior_tables.ratio(row) == pytest.approx(40) and prior_tables.ratio(row, ("jax",)) == pytest.approx(20)


# --- the page ------------------------------------------------------------------------------------------------


def prior_row(T, **more):
    case = {"kernel": "rbf", "length": "5 samples", "grid": "regular", "T": T}
    return {"case": case, "seconds": {"prior": 4e-6 * T, "jax": 2e-7 * T, "scipy": 1e-7 * T}, "memory": 2**30, **more}


def epoch_row(T, seconds, segments, line="T"):
    case = {"line": line, "mixing": "linear", "T": T, "n": 3, "m": 3, "L": 20}
    costs = {"epoch": seconds, "epochs_per_pass": segments, "network": "dense", "until_ready": 9.0}
    return {"case": case, **costs, "memory": 2**30, "running": 2**29, "estimated": 2**30 / 2}


def fit_row(T, **changes):
    case = {"mixing": "linear", "T": T, "n": 3, "m": 3} | changes
    seconds = {"start": 10.0, "training": 100.0, "after": 30.0, "seconds": 140.0}
    mcc = {"StrADiff": [0.99, 0.98], "SOBI": [0.9, 0.8], "best linear": [0.995, 0.99]}
    return {"case": case, **seconds, "epochs": 900, "memory": 2**31, "estimated": 2**30, "mcc": mcc}


def cluster_row(name, seconds, digests=("a", "b"), **more):
    case = {"cluster": name, "recordings": 2, "epochs": 9}
    return {
        "case": case,
        "seconds": seconds,
        "done": 2,
        "errors": [],
        "work": [3.0, 5.0],
        "digests": list(digests),
    } | more


ABACUS = {"processor": "Abacus", "cores": 2, "versions": {"jax": "1.0"}, "load_before": 0.0}


@pytest.fixture
def made_up():
    slow = {"case": {"kernel": "periodic", "length": "", "grid": "regular", "T": 10_000}, "stopped": 180.0}
    errors = {"value": 1e-12, "by_source": 1e-10, "by_parameters": 2e-8}
    check = {"case": {"kernel": "rbf", "length": "", "grid": "regular", "T": 2000, "check": True}, **errors}
    branches = {"mcc": [0.99, 0.97], "seconds": [10.0, 20.0], "epochs": [900, 1100]}
    return {
        "machine": {"fits": ABACUS},
        "prior": [prior_row(1000), prior_row(10_000), slow, check],
        "epochs": [epoch_row(1000, 0.01, 1), epoch_row(100_000, 0.1, 10), {**epoch_row(1, 1, 1), "line": "T"}][:2],
        "fits": [fit_row(10_000), fit_row(1000), {"case": fit_row(9)["case"], "failed": -9}],
        "long": [fit_row(450_000, n=20, m=64)],
        "network": [{"case": {"problem": "linear", "network": "dense"}, **branches}],
        "workers": [
            cluster_row(workers.ONE, 20.0, processor={"workers": 18.0, "here": 1.5}),
            cluster_row(workers.TWO, 10.0, processor={}),
        ],
    }


def test_tables_say_what_was_measured(made_up):
    text = tables.page(made_up)
    assert "Abacus" in text and "jax 1.0" in text
    assert "| rbf | 5 samples | regular | 4; 40 (20); 1.00 | 40; 40 (20); 1.00 | 1.00 |" in text
    assert "| periodic |  | regular |  | more than 3 min |  |" in text
    assert "| rbf |  | regular | 2,000 | 1e-12 | 1e-10 | 2e-08 | no |" in text
    assert "| 100,000 | dense | 100 | 10 | 1,000 | 1.00 | 0.50 | 0.50 | 0.50 |" in text
    assert "time per epoch 0.50 (0.50), time per pass 1.00 (1.00), memory" in text
    assert "| 450,000 | 64 | 20 | linear | 10 | 100 | 900 | 30 | 140 | 2.00 | 1.00 | 0.990, 0.980 |" in text
    assert "| linear | dense | 2 | 0.9800 | 0.9700 | 15 | 1000 |" in text
    assert f"| {workers.ONE} | 2 | 2 | 0 | 20 | 6.0 | 1.00 | 4.0 | 18.0 | 1.5 | yes |" in text
    assert f"| {workers.TWO} | 2 | 2 | 0 | 10 | 12.0 | 2.00 | 4.0 |  |  | yes |" in text
    assert tables.page({}).count(NOT_RUN) == len(tables.PARTS)


def test_what_to_expect_comes_from_whole_fits(made_up):
    lines = expect.expected(made_up["fits"] + made_up["long"]).splitlines()[2:]
    assert [line.split(" | ")[0] for line in lines] == ["| 9", "| 1,000", "| 10,000", "| 450,000"]
    assert "did not end well" in lines[0] and lines[1].endswith("| 2 min | 100 s | 2.00 |")


def test_other_answers_are_noticed():
    rows = [cluster_row(workers.ONE, 20.0), cluster_row(workers.TWO, 10.0, digests=("a", "c"))]
    assert tables.workers(rows).splitlines()[-1].endswith("| no |")


def test_pictures_and_tables_are_put_into_the_page(made_up, tmp_path):
    (tmp_path / "images").mkdir()
    parts = "".join(f"<!-- scale: {name} -->\nstale\n<!-- end of scale -->\n" for name in tables.PARTS)
    (tmp_path / "speed.md").write_text(f"Before.\n{parts}<!-- speed: other -->\nkept\n<!-- end of speed -->\n")
    scale.SCALE.publish(made_up, tmp_path)
    page = (tmp_path / "speed.md").read_text(encoding="utf-8")
    assert page.startswith("Before.") and "stale" not in page and "kept" in page
    assert scale.SCALE.filled(page, made_up) == page
    for name in scale.SCALE.pictures:
        assert f"images/scale-{name}.png" in page and (tmp_path / "images" / f"scale-{name}.png").stat().st_size


# --- running -------------------------------------------------------------------------------------------------


@pytest.fixture
def program(monkeypatch, tmp_path):
    """The program, run on ``results.json``, with measurements that take no time; and what it measured."""
    done = []

    def fresh(part, case, limit):
        done.append(part)
        return {**fit_row(1), "case": case}

    monkeypatch.setattr(scale, "fresh", fresh)

    def run(*words):
        done.clear()
        path = tmp_path / "results.json"
        monkeypatch.setattr(sys, "argv", ["scale.py", "--quick", "--results", str(path), *words])
        scale.main()
        return done, json.loads(path.read_text())

    return run


def test_a_run_is_kept_and_resumed(program, capsys):
    done, results = program("--parts", "long")
    assert done == ["long"] and len(results["long"]) == 1
    assert program("--parts", "long", "fits")[0] == ["fits"] * len(fits.cases(True))
    done, results = program("--parts", "long", "--again")
    assert done == ["long"] and len(results["long"]) == 1
    assert program("--print")[0] == []
    assert "What to expect" in capsys.readouterr().out


def test_a_part_is_of_one_machine(program, monkeypatch):
    program("--parts", "long")
    monkeypatch.setattr(machine, "processor", lambda: "another")
    with pytest.raises(SystemExit, match="another"):
        program("--parts", "long")
    machines = program("--parts", "fits")[1]["machine"]
    assert machines["fits"]["processor"] == "another" != machines["long"]["processor"]
    again = program("--parts", "long", "--again")[1]["machine"]
    assert {one["processor"] for one in again.values()} == {"another"}
