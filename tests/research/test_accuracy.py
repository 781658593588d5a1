"""The benchmark itself: its problems are what they promise, its outcomes are right, its pages show its results."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import multiprocessing
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from contest import plots, publish, runner, scores, tables, targets, tiers
from contest.methods import ABLATIONS, DEFAULT, METHODS, ORACLE, PRESETS, PRIORS, Outcome
from contest.problems import Problem, draw, find_real

from stradiff import SOBI, StrADiff, matched_correlation, simulate
from stradiff.config import Configuration, resolve
from stradiff.pipeline import Request

ROOT = Path(__file__).parents[2]
PROBLEMS = {problem.name: problem for tier in tiers.TIERS.values() for problem in tier.problems}
SIMULATED = [problem for problem in PROBLEMS.values() if problem.sources != "real"]


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A file like that of the real sources."""
    path = tmp_path_factory.mktemp("real") / "real_sources.npz"
    np.savez(path, short=np.random.default_rng(0).standard_normal((1000, 4)).cumsum(axis=0).astype(np.float32))
    return path


# --- problems ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_a_problem_is_what_it_promises(problem, real):
    example = draw(problem, 100, real)
    assert example.sources.shape == (problem.n_samples, problem.n_sources)
    assert example.observed.shape == example.noise_free.shape == (problem.n_samples, problem.n_channels)
    np.testing.assert_allclose(example.sources.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(example.sources.std(axis=0), 1)
    noise = (example.observed - example.noise_free).std(axis=0) / example.noise_free.std(axis=0)
    # The standard deviation of T normal numbers is known to 1 / sqrt(2 T) of itself.
    np.testing.assert_allclose(noise, problem.noise, atol=5 * problem.noise / math.sqrt(2 * problem.n_samples))
    if problem.mixing == "linear":
        assert np.linalg.cond(example.matrix) == pytest.approx(problem.condition)
        np.testing.assert_allclose(example.noise_free, example.sources @ example.matrix.T, atol=1e-12)
    else:
        assert example.matrix is None
        linear = np.column_stack([example.sources, np.ones(problem.n_samples)])
        fitted = linear @ np.linalg.lstsq(linear, example.noise_free, rcond=None)[0]
        assert np.abs(fitted - example.noise_free).max() > 0.1, "nothing is nonlinear"


@pytest.mark.parametrize("problem", [SIMULATED[0], tiers.LEAKY_3, tiers.TANH, tiers.NOISY])
def test_the_study_draws_the_same(problem):
    options = {"noise": problem.noise, "n_layers": problem.n_layers, "n_channels": problem.n_channels}
    mine = draw(problem, 3)
    theirs = simulate(problem.mixing, condition_number=problem.condition, seed=3, **options)
    np.testing.assert_array_equal(mine.observed, theirs.recording.values)


@pytest.mark.parametrize("problem", [PROBLEMS["linear, n = 5"], PROBLEMS["RBF-GP sources"], tiers.NOISY])
def test_seeds_differ_and_noise_leaves_the_mixing_alone(problem):
    first, again, other = draw(problem, 100), draw(problem, 100), draw(problem, 101)
    np.testing.assert_array_equal(first.observed, again.observed)
    assert not np.allclose(first.observed, other.observed)
    quiet = draw(dataclasses.replace(problem, noise=0.0), 100)
    np.testing.assert_array_equal(quiet.observed, first.noise_free)


def test_the_slope_of_a_leaky_network_reaches_it():
    steep, flat = (draw(dataclasses.replace(tiers.LEAKY, slope=slope), 100).observed for slope in (0.2, 0.05))
    assert not np.allclose(steep, flat)


def test_unknown_names_are_refused():
    for wrong in ({"sources": "pink"}, {"mixing": "twisted"}, {"n_sources": 4, "n_channels": 4}):
        with pytest.raises(ValueError, match="wrong:"):
            draw(Problem("wrong", **wrong), 0)


def test_the_real_sources_are_found_by_option_then_variable(monkeypatch, real):
    monkeypatch.setenv("STRADIFF_REAL_SOURCES", str(real))
    assert find_real() == real
    assert find_real(Path("given.npz")) == Path("given.npz")
    monkeypatch.delenv("STRADIFF_REAL_SOURCES")
    assert find_real().name == "real_sources.npz"


# --- tiers and methods -------------------------------------------------------------------------------------


def test_the_list_is_consistent():
    listed = [problem for tier in tiers.TIERS.values() for problem in tier.problems]
    assert all(PROBLEMS[problem.name] == problem for problem in listed), "two problems share a name"
    for tier in tiers.TIERS.values():
        assert set(tier.methods) <= {*METHODS}
        assert set(tier.target) <= {problem.name for problem in tier.problems}
        assert max(tier.seeds) < tiers.DEVELOPMENT and len(tier.seeds) >= 5
        for target in tier.target.values():
            assert {DEFAULT, *target.rivals} <= {*tier.methods}
    assert set(tiers.QUICK) <= {*PROBLEMS}
    assert {problem.n_sources for problem in listed} == {2, 3, 4, 5, 10, 20}
    assert {problem.noise for problem in listed} == {0.0, 0.02, 0.1}
    assert {problem.n_samples for problem in listed} == {300, 1000, 5000, 20_000}


@pytest.mark.parametrize("options", [*PRIORS.values(), *PRESETS.values(), *ABLATIONS.values()], ids=str)
def test_variants_of_stradiff_have_options_that_exist(options):
    request = Request.of(StrADiff(2).set_params(**options).get_params(deep=False))
    assert resolve(request.preset, request.given) != resolve("default", Configuration()), "nothing changes"


@pytest.mark.parametrize("method", ["SOBI", "PCA", ORACLE])
def test_a_row_holds_every_score(method):
    row = scores.measure(tiers.NOISY, method, 100)
    example = draw(tiers.NOISY, 100)
    assert (row["problem"], row["method"], row["seed"]) == (tiers.NOISY.name, method, 100)
    assert len(row["pearson"]) == len(row["spearman"]) == len(row["si_sdr"]) == 3
    if method == "SOBI":
        sources = SOBI(3).fit_transform(example.observed)
        np.testing.assert_allclose(row["pearson"], matched_correlation(sources, example.sources), atol=1e-5)
    assert (row["amari"] is None) == (method == ORACLE)
    assert 0.9 < row["explained_variance"] < 1
    assert row["seconds"] >= 0 and row["cpu_seconds"] >= 0 and row["peak_mb"] >= 0


def test_perfect_and_missing_answers_fit_into_json():
    example = draw(tiers.LEAKY, 100)
    assert scores.scores(Outcome(example.sources), example)["si_sdr"] == [100.0] * 3
    broken = scores.scores(Outcome(np.full_like(example.sources, np.nan)), example)
    assert broken["si_sdr"] == [-100.0] * 3 and broken["pearson"] == [0.0] * 3
    assert broken["amari"] is broken["explained_variance"] is None


# --- targets and tables --------------------------------------------------------------------------------------


def row(method, seed, pearson, problem="leaky-ReLU, 2 layers", **more):
    return {
        "problem": problem,
        "method": method,
        "seed": seed,
        "pearson": pearson,
        "spearman": pearson,
        "si_sdr": [10.0] * len(pearson),
        "amari": None,
        "explained_variance": 0.99,
        "seconds": 2.0,
        "cpu_seconds": 1.0,
        "peak_mb": 30.0,
        **more,
    }


def outcome(target, **correlations):
    """``target`` on made-up correlations of ``n`` sources per seed: ``SOBI=[[...], [...]]``."""
    names = {"StrADiff": DEFAULT, "oracle": ORACLE}
    rows = [
        row(names.get(method, method), seed, pearson)
        for method, seeds in correlations.items()
        for seed, pearson in enumerate(seeds)
    ]
    return target.outcome(tables.by_method(rows))[1]


@pytest.mark.parametrize(
    ("target", "expected", "correlations"),
    [
        (targets.EVERY_SOURCE, "met", {"StrADiff": [[0.996, 0.999]], "SOBI": [[0.9975, 0.999]]}),
        (targets.EVERY_SOURCE, "missed", {"StrADiff": [[0.996, 0.999]], "SOBI": [[0.9985, 0.999]]}),
        (targets.EVERY_SOURCE, "missed", {"StrADiff": [[0.994, 0.999], [1, 1]], "SOBI": [[0.9, 0.9], [1, 1]]}),
        (targets.MANY_SOURCES, "met", {"StrADiff": [[0.9, 0.9], [0.97, 0.99], [1.0, 1.0]]}),
        (targets.MANY_SOURCES, "missed", {"StrADiff": [[0.9, 0.9], [0.95, 0.99], [1.0, 1.0]]}),
        (targets.ABOVE_LINEAR_METHODS, "met", {"StrADiff": [[0.9]], "SOBI": [[0.89]], "FastICA": [[0.89]]}),
        (targets.ABOVE_LINEAR_METHODS, "missed", {"StrADiff": [[0.9]], "SOBI": [[0.89]], "FastICA": [[0.91]]}),
        (targets.LEAKY_RELU, "met", {"StrADiff": [[0.96, 1.0]] * 2, "oracle": [[0.9, 0.9]] * 2}),
        (targets.LEAKY_RELU, "missed", {"StrADiff": [[0.94, 1.0]] * 2, "oracle": [[0.9, 0.9]] * 2}),
        (
            targets.ABOVE_ORACLE_MOSTLY,
            "met",
            {"StrADiff": [[0.95]] * 8 + [[0.9]] * 2, "oracle": [[0.94]] * 10, "SOBI": [[0.909]] * 10},
        ),
        (
            targets.ABOVE_ORACLE_MOSTLY,
            "missed",
            {"StrADiff": [[0.95]] * 7 + [[0.93]] * 3, "oracle": [[0.94]] * 10, "SOBI": [[0.9]] * 10},
        ),
        (
            targets.ABOVE_ORACLE_MOSTLY,
            "missed",
            {"StrADiff": [[0.95]] * 9 + [[0.89]], "oracle": [[0.94]] * 10, "SOBI": [[0.91]] * 10},
        ),
        (targets.ABOVE_ORACLE, "met", {"StrADiff": [[0.986]], "oracle": [[0.985]]}),
        (targets.ABOVE_ORACLE, "missed", {"StrADiff": [[0.986]], "oracle": [[0.987]]}),
        (targets.REAL, "met", {"StrADiff": [[0.97, 1]], "SOBI": [[0.99, 1]], "FastICA": [[0.9, 1]]}),
        (targets.REAL, "missed", {"StrADiff": [[0.96, 1]], "SOBI": [[0.93, 1]], "FastICA": [[0.9, 1]]}),
        (targets.REAL, "not run", {"StrADiff": [[0.99, 1]], "SOBI": [[0.93, 1]]}),
        (targets.MANY_SOURCES, "not run", {"SOBI": [[0.93, 1]]}),
        (targets.ABOVE_ORACLE, "not run", {"StrADiff": [[0.99]], "oracle": [[0.9]] * 2}),
    ],
)
def test_a_target_is_the_rule_of_its_sentence(target, expected, correlations):
    assert outcome(target, **correlations) == expected


@pytest.fixture
def made_up():
    rows = [row(DEFAULT, seed, [0.99, 0.96 + 0.01 * seed]) for seed in range(3)]
    rows += [row(ORACLE, seed, [0.9, 0.92]) for seed in range(3)]
    rows += [row("SOBI", 0, [0.9, 0.91], amari=0.25)]
    return [*rows, {"problem": tiers.LEAKY.name, "method": "PCL", "seed": 2, "error": "ValueError: no"}]


def test_a_table_says_what_the_rows_say(made_up):
    text = tables.tier_table(tiers.TIERS["leaky"], made_up)
    assert "mean 0.9800, worst source 0.9700; best linear 0.9100 | **met** |" in text
    cells = next(line for line in text.splitlines() if line.startswith(f"| {DEFAULT} |")).split(" | ")
    heads = next(line for line in text.splitlines() if line.startswith("| method")).split(" | ")
    shown = dict(zip(heads, cells, strict=True))
    assert shown["MCC, median"] == "0.9800" and shown["MCC, worst seed"] == "0.9750"
    assert shown["95 % interval"] == "0.9750–0.9850" and shown["spread (sd)"] == "0.0050"
    assert shown["worst source"] == "0.9600" and shown["Amari"] == ""
    assert "| SOBI | 1 | 0.9050 |  | 0.9050 |  | 0.9000 | 0.9050 | 10.0 | 0.2500 |" in text
    assert "Failed: PCL (seed 2): ValueError: no" in text
    assert tables.tier_table(tiers.TIERS["real"], made_up) == tables.NOT_RUN
    assert tables.page([]) == tables.NOT_RUN
    assert "StrADiff, no KL" not in text


def test_the_interval_is_that_of_the_median():
    values = np.random.default_rng(1).standard_normal(400)
    low, high = tables.interval(values)
    # The median of N normal numbers has a standard error of sqrt(pi / 2 N), to which a bootstrap comes within a third.
    error = math.sqrt(math.pi / 2 / len(values))
    assert low < np.median(values) < high
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.33)


def test_pictures_show_every_source(made_up, tmp_path):
    figure = plots.draw_tier(tiers.TIERS["leaky"], made_up)
    (panel,) = figure.axes
    assert [text.get_text() for text in panel.get_xticklabels()] == [DEFAULT, "SOBI", ORACLE]
    points = np.concatenate([dots.get_offsets()[:, 1] for dots in panel.collections if len(dots.get_offsets()) > 1])
    shown = [value for entry in made_up if "error" not in entry for value in entry["pearson"]]
    np.testing.assert_allclose(np.sort(points), np.sort(plots.stretched(np.array(shown))))
    plt.close(figure)
    saved = [path.stem for path in plots.save(made_up, tmp_path)]
    assert saved == ["accuracy-leaky", "accuracy-ablations"]
    assert plots.draw_tier(tiers.TIERS["real"], made_up) is None


# --- pages ---------------------------------------------------------------------------------------------------


def test_the_page_and_the_printed_tables_are_those_of_the_results():
    results = ROOT / "research" / "results"
    rows = runner.read(results / "accuracy.json")
    page = (ROOT / "research" / "accuracy.md").read_text(encoding="utf-8")
    assert publish.filled(page, rows) == page
    for name in tiers.TIERS:
        assert f"<!-- tier: {name} -->" in page
    if rows:
        assert (results / "accuracy.md").read_text(encoding="utf-8") == tables.page(rows) + "\n"
        assert min(entry["seed"] for entry in rows) >= 0
        assert max(entry["seed"] for entry in rows) < tiers.DEVELOPMENT


def test_results_put_into_the_page_replace_what_was_there(made_up):
    page = "Before.\n\n<!-- tier: leaky -->\nold\n<!-- end of tier -->\n\nAfter.\n"
    filled = publish.filled(page, made_up)
    assert filled.startswith("Before.") and filled.endswith("After.\n") and "old" not in filled
    assert "images/accuracy-leaky.png" in filled and "**met**" in filled
    assert publish.filled(filled, made_up) == filled
    assert "images" not in publish.filled(page, [])


# --- running -------------------------------------------------------------------------------------------------


class Failing:
    """Stands in for a process: what it sends is all that counts."""

    exitcode = -9

    def kill(self):
        """Nothing to end."""

    def join(self):
        """Nothing to wait for."""


def test_a_process_that_dies_or_dawdles_leaves_its_error():
    task = runner.Task(tiers.LEAKY, "SOBI", 0)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    assert "longer than 7 s" in runner._result(receiver, task, Failing(), 7.0)["error"]
    receiver, sender = multiprocessing.Pipe(duplex=False)
    sender.close()
    assert "code -9" in runner._result(receiver, task, Failing(), 7.0)["error"]


@pytest.fixture(scope="module")
def accuracy():
    spec = importlib.util.spec_from_file_location("accuracy", ROOT / "research" / "accuracy.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tasks_are_what_was_asked_for(accuracy, monkeypatch, tmp_path, capsys):
    def asked(*words):
        monkeypatch.setattr("sys.argv", ["accuracy.py", "--real", str(tmp_path / "none.npz"), *words])
        return accuracy.tasks(accuracy.parse())

    everything = asked()
    keys = [task.key for task in everything]
    assert len(set(keys)) == len(keys)
    assert not [task for task in everything if task.problem.sources == "real"]
    assert "Left out: real, post-nonlinear" in capsys.readouterr().out
    few = asked("--tiers", "leaky", "--seeds", "100", "--methods", "SOBI", DEFAULT)
    assert [task.key for task in few] == [(tiers.LEAKY.name, "SOBI", 100), (tiers.LEAKY.name, DEFAULT, 100)]
    quick = {task.problem.name for task in asked("--quick")}
    assert quick == {*tiers.QUICK} - {tiers.REAL.name}


def test_a_run_is_kept_and_resumed(accuracy, monkeypatch, tmp_path, capsys):
    path = tmp_path / "results.json"
    words = ["--tiers", "leaky", "--seeds", "100", "--methods", "SOBI", "PCA", "--results", str(path)]
    monkeypatch.setattr("sys.argv", ["accuracy.py", *words])
    began = []

    def run(tasks, rows, path, **options):
        began.append([task.method for task in tasks])
        rows.extend(scores.measure(task.problem, task.method, task.seed) for task in tasks)
        runner.write(rows, path)

    monkeypatch.setattr(runner, "run", run)
    accuracy.main()
    accuracy.main()
    monkeypatch.setattr("sys.argv", ["accuracy.py", *words, "--again"])
    accuracy.main()
    assert began == [["SOBI", "PCA"], [], ["SOBI", "PCA"]]
    assert sorted(entry["method"] for entry in runner.read(path)) == ["PCA", "SOBI"]
    assert path.with_suffix(".md").read_text() == tables.page(runner.read(path)) + "\n"
    assert "leaky-ReLU network, 2 layers" in capsys.readouterr().out
