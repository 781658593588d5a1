"""The commands on good input: which files they write, what is in them, and what they print."""

from __future__ import annotations

import functools
import html
import json
import logging
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from as_users_call import as_users_call
from quick_compile import quick_compile
from quick_runs import RESULTS, write_page

from stradiff import estimator
from stradiff.cli import demo as demo_module
from stradiff.cli.results import checkpoint_in
from stradiff.cli.spelling import spelled_as_options
from stradiff.config import Checkpoint, Training
from stradiff.data.readers import read_recording
from stradiff.errors import InputError, OptionError, StorageError
from stradiff.estimator import StrADiff
from stradiff.report.study import LINEAR


@pytest.fixture
def quick(monkeypatch):
    """Drawing the report takes longer than the fits of these tests."""
    monkeypatch.setattr("stradiff.report.write_report", write_page)


def test_simulate_writes_what_it_says(run, tmp_path, table):
    out = tmp_path / "deep" / "folder"
    result = run("simulate", "tanh", "--samples", 200, "--channels", 5, "--noise", 0.1, "--seed", 3, "--out", out)
    assert result.code == 0
    assert {path.name for path in out.iterdir()} == {"recording.csv", "sources.csv", "simulation.json"}
    assert str(out / "recording.csv") in result.out
    recording, truth = read_recording(out / "recording.csv"), table(out / "sources.csv")
    assert recording.values.shape == (200, 5)
    assert list(truth) == ["source_1", "source_2", "source_3"]
    np.testing.assert_allclose([column.std() for column in truth.values()], 1.0)
    settings = json.loads((out / "simulation.json").read_text())
    assert settings == {
        "kind": "tanh", "n_samples": 200, "n_channels": 5, "n_sources": 3, "noise": 0.1, "seed": 3,
    }  # fmt: skip


def test_simulate_again_gives_the_same_bits(run, simulated, tmp_path):
    assert run("simulate", "linear", "--samples", 150, "--out", tmp_path / "again").code == 0
    for name in ("recording.csv", "sources.csv", "simulation.json"):
        assert (tmp_path / "again" / name).read_bytes() == (simulated / name).read_bytes()


def test_separate_writes_every_file_and_nothing_else(separated):
    assert {path.name for path in separated.iterdir()} == RESULTS


def test_findings_are_printed_and_stand_in_the_report(run, simulated, tmp_path):
    out, lines = tmp_path / "out", (simulated / "recording.csv").read_text().splitlines()
    (tmp_path / "short.csv").write_text("\n".join(lines[:41]))
    result = run("separate", tmp_path / "short.csv", "-n", 3, "--max-epochs", 4, "--prior", "matern12", "--out", out)
    findings = json.loads((out / "summary.json").read_text())["diagnostics"]
    assert {"ending", "short-record"} <= {finding["kind"] for finding in findings}
    printed, page = " ".join(result.err.split()), " ".join(html.unescape((out / "report.html").read_text()).split())
    for finding in findings:
        assert finding["sentence"] in page and spelled_as_options(finding["sentence"]) in printed


def test_files_of_a_separation_agree_with_the_saved_fit(separated, table):
    model = StrADiff.load(separated / "fit.stradiff")
    sources, bands = table(separated / "sources.csv"), table(separated / "bands.csv")
    np.testing.assert_allclose(sources.pop("time"), np.arange(150) / 10.0)
    np.testing.assert_array_equal(np.column_stack(list(sources.values())), model.sources_)
    np.testing.assert_array_equal(bands["source_2_mean"], model.sources_[:, 1])
    np.testing.assert_array_equal(bands["source_2_sd"], model.sources_std_[:, 1])
    reconstruction = table(separated / "reconstruction.csv")
    assert list(reconstruction) == ["time", "channel 1", "channel 2", "channel 3"]
    np.testing.assert_array_equal(reconstruction["channel 3"], model.reconstruction_[:, 2])
    history = table(separated / "history.csv")
    np.testing.assert_array_equal(history["epoch"], [1, 2, 3, 4])
    np.testing.assert_array_equal(history["total"], model.history_["total"])


def test_summary_says_what_was_done(separated):
    summary = json.loads((separated / "summary.json").read_text())
    assert summary["training"]["n_epochs"] == 4
    assert summary["model"]["seed"] == 5
    assert summary["recording"]["sampling_rate"] == 10.0
    for source in summary["sources"]:
        assert source["length_scale_s"] == pytest.approx(source["length_scale"] * 14.9)
    assert {path.rpartition("/")[2] for path in summary["files"].values()} == RESULTS


def test_separate_prints_a_short_table_and_where_the_report_is(run, quick, simulated, tmp_path):
    out = tmp_path / "out"
    result = run("separate", simulated / "recording.csv", "-n", 3, "--max-epochs", 2, "--out", out)
    assert result.code == 0
    assert "source 3" in result.out
    assert "length-scale" in result.out and "(samples)" in result.out
    assert f"Report: {out / 'report.html'}" in result.out
    assert "time" not in (out / "sources.csv").read_text().splitlines()[0]  # no rate is known


def test_the_same_seed_gives_the_same_sources(run, quick, simulated, separated, tmp_path):
    arguments = ["separate", simulated / "recording.csv", "-n", 3, "--max-epochs", 4, "--seed", 5]
    assert run(*arguments, "--sampling-rate", 10, "--out", tmp_path, "-q").code == 0
    assert (tmp_path / "sources.csv").read_bytes() == (separated / "sources.csv").read_bytes()


def test_json_is_one_object_and_quiet_is_silent(run, quick, simulated, tmp_path):
    arguments = ["separate", simulated / "recording.csv", "-n", 3, "--max-epochs", 2]
    result = run(*arguments, "--out", tmp_path / "json", "--json")
    assert (result.code, result.err) == (0, "")
    assert result.json() == json.loads((tmp_path / "json" / "summary.json").read_text())
    result = run(*arguments, "--out", tmp_path / "quiet", "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")


@pytest.fixture
def asked(monkeypatch):
    """What a command would fit, in place of fitting it."""
    asked = SimpleNamespace()

    def note(console, recording, parameters, checkpoint=None):
        vars(asked).update(recording=recording, parameters=parameters, checkpoint=checkpoint)
        raise InputError("Noted.")

    monkeypatch.setattr("stradiff.cli.results.fit", note)
    return asked


@pytest.mark.parametrize("columns", ["channel 3,channel 1", "2,0", " 2 , channel 1"])
def test_channels_by_name_and_by_position(run, simulated, tmp_path, asked, columns):
    arguments = ["separate", simulated / "recording.csv", "-n", 2, "--columns", columns, "--out", tmp_path / "out"]
    assert run(*arguments).err == "stradiff: Noted.\n"
    assert asked.recording.channel_names == ("channel 3", "channel 1")


def test_time_column_by_name(run, tmp_path, asked):
    times = np.arange(50) * 0.5
    rows = np.column_stack([times, np.sin(times), np.cos(3 * times)])
    np.savetxt(tmp_path / "x.csv", rows, delimiter=",", header="clock,a,b", comments="")
    for column in ("clock", 0):
        run("separate", tmp_path / "x.csv", "-n", 2, "--time-column", column, "--out", tmp_path / "out")
        assert (asked.recording.sampling_rate, asked.recording.channel_names) == (2.0, ("a", "b"))


def test_options_reach_the_estimator(run, simulated, tmp_path, asked):
    options = ["--mixing", "mlp", "--prior", "matern32", "--preset", "paper", "--max-epochs", 7, "--seed", 9]
    options += ["--restarts", 2, "--uncertainty", "monte-carlo", "--checkpoint-every", 5, "--device", "cpu"]
    options += ["--devices", 2, "--tol", 1e-6, "--nu-y", 0.05, "--init", "fastica"]
    run("separate", simulated / "recording.csv", "-n", 2, *options, "--out", tmp_path / "out")
    assert asked.checkpoint == Checkpoint(str(tmp_path / "out" / "training.checkpoint"), 5.0)
    assert asked.parameters == {
        "n_components": 2, "mixing": "mlp", "prior": "matern32", "preset": "paper", "training__max_epochs": 7,
        "n_restarts": 2, "random_state": 9, "uncertainty": "monte-carlo", "device": "cpu", "training__n_devices": 2,
        "training__tol": 1e-6, "objective__nu_y": 0.05, "init": "fastica",
    }  # fmt: skip


def test_sources_to_be_counted(run, simulated, tmp_path, asked):
    run("separate", simulated / "recording.csv", "-n", "auto", "--out", tmp_path / "out")
    assert asked.parameters["n_components"] == "auto"


def test_the_real_demo_separates_the_shipped_recording(run, tmp_path, asked):
    run("demo", "real", "--epochs", 20, "--out", tmp_path / "out")
    assert asked.recording.values.shape == (1000, 9)
    assert (asked.recording.units, asked.recording.sampling_rate) == ("mg", 64.0)
    assert asked.parameters["mixing"] == "linear" and "prior" not in asked.parameters  # what the default does
    assert asked.parameters["training__record_epochs"][-1] == 20


def test_interrupted_fit_is_still_written(run, quick, simulated, tmp_path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(estimator, "StrADiff", functools.partial(StrADiff, training=Training(callbacks=(interrupt,))))
    arguments = ["separate", simulated / "recording.csv", "-n", 3, "--max-epochs", 5000]
    result = run(*arguments, "--out", tmp_path / "out")
    assert result.code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == RESULTS | {"training.checkpoint"}
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["training"]["interrupted"]
    assert "Stopped by hand" in result.err


def test_an_interrupted_run_is_resumed_to_the_same_numbers(run, quick, simulated, tmp_path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    arguments = ["separate", simulated / "recording.csv", "-n", 3, "--max-epochs", 150, "--uncertainty", "monte-carlo"]
    assert run(*arguments, "--out", tmp_path / "whole", "-q").code == 0
    with monkeypatch.context() as patched:
        patched.setattr(estimator, "StrADiff", functools.partial(StrADiff, training=Training(callbacks=(interrupt,))))
        assert run(*arguments, "--out", tmp_path / "out", "-q").code == 0
    assert run(*arguments, "--out", tmp_path / "out").err.endswith("or delete it.\n")
    assert run(*arguments, "--out", tmp_path / "out", "--resume", "-q").code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == RESULTS
    for name in ("sources.csv", "bands.csv", "history.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert "training starts anew" in run(*arguments, "--out", tmp_path / "new", "--resume").err


@as_users_call()  # a console of another kind
def test_the_checkpoint_of_a_second_fit_is_seen_as_well(tmp_path):
    said = []
    console = SimpleNamespace(remark=said.extend)
    checkpoint_in(tmp_path, True, console)
    (tmp_path / "training.checkpoint.linear").write_bytes(b"")
    checkpoint_in(tmp_path, True, console)
    assert len(said) == 1  # of the first call
    with pytest.raises(OptionError, match=r"training\.checkpoint\.linear is left .* or delete it"):
        checkpoint_in(tmp_path, False, console)
    (tmp_path / "training.checkpoint").write_bytes(b"")
    with pytest.raises(OptionError, match=r"checkpoint, .*linear are left .* or delete them"):
        checkpoint_in(tmp_path, False, console)


def test_writing_that_fails_leaves_no_part_of_the_results(run, simulated, tmp_path, monkeypatch, separated):
    def full(*_, **__):
        raise StorageError("The disk is full; make room.")

    monkeypatch.setattr("stradiff.cli.results.fit", lambda *_, **__: StrADiff.load(separated / "fit.stradiff"))
    monkeypatch.setattr("stradiff.report.write_report", full)
    result = run("separate", simulated / "recording.csv", "-n", 3, "--out", tmp_path / "out")
    assert (result.code, result.out, result.err) == (2, "", "stradiff: The disk is full; make room.\n")
    assert not (tmp_path / "out").exists()


def test_a_demo_saves_training_before_anything_that_may_fail(run, tmp_path, monkeypatch, separated):
    def full(*_, **__):
        raise StorageError("The disk is full; make room.")

    monkeypatch.setattr("stradiff.cli.results.fit", lambda *_, **__: StrADiff.load(separated / "fit.stradiff"))
    monkeypatch.setattr("stradiff.data.writers.write_table", full)
    monkeypatch.setattr("stradiff.report.study.draw_study", full)
    monkeypatch.setattr(demo_module, "SAMPLES", 150)
    assert run("demo", "linear", "--out", tmp_path / "out").code == 2
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"fit.stradiff"}


def test_report_again_from_the_saved_fit(run, simulated, separated, tmp_path):
    path = tmp_path / "again.html"
    arguments = ["report", separated / "fit.stradiff", simulated / "recording.csv", "--out", path]
    result = run(*arguments, "--sampling-rate", 10)
    assert result.code == 0
    assert result.out == f"Report: {path}\n"
    assert path.read_text() == (separated / "report.html").read_text()


def test_report_of_another_recording_is_refused(run, simulated, separated, tmp_path):
    arguments = ["report", separated / "fit.stradiff", simulated / "recording.csv", "--columns", "0,1"]
    result = run(*arguments, "--out", tmp_path / "r.html")
    assert result.code == 2
    assert "give the recording that was fitted" in result.err
    assert list(tmp_path.iterdir()) == []


def test_info_for_people_and_for_programs(run, separated):
    words = run("info", separated / "fit.stradiff")
    assert words.code == 0
    for word in ("3 sources of 3 channels", "source 3", "lambda_kl", "version of jax", "preset"):
        assert word in words.out
    facts = run("info", separated / "fit.stradiff", "--json").json()
    model = StrADiff.load(separated / "fit.stradiff")
    assert [source["length_scale"] for source in facts["sources"]] == pytest.approx(model.length_scales_.tolist())
    assert facts["model"]["seed"] == 5


def test_compare_with_truth_judges_all_and_adds_the_oracle(run, simulated):
    arguments = ["compare", simulated / "recording.csv", "-n", 3, "--max-epochs", 2]
    rows = run(*arguments, "--truth", simulated / "sources.csv", "--json").json()["methods"]
    assert [row["method"] for row in rows] == ["StrADiff", "SOBI", "FastICA", "PCA", "best linear unmixing"]
    assert all(len(row["matched_correlation"]) == 3 for row in rows)
    assert rows[-1]["mean_correlation"] == pytest.approx(1.0)


def test_compare_without_truth_prints_a_table(run, simulated):
    result = run("compare", simulated / "recording.csv", "-n", 3, "--max-epochs", 2)
    assert result.code == 0
    for word in ("StrADiff", "SOBI", "FastICA", "PCA", "explained", "seconds"):
        assert word in result.out
    assert "best linear" not in result.out


def test_demo_writes_the_figures_of_the_study(run, quick, tmp_path, monkeypatch):
    monkeypatch.setattr(demo_module, "SAMPLES", 150)
    result = run("demo", "linear", "--epochs", 4, "--out", tmp_path)
    assert result.code == 0
    assert {path.name for path in tmp_path.iterdir()} == RESULTS | {f"{name}.png" for name in LINEAR.values()}
    for word in ("best linear unmixing", "SOBI", "with truth", "report.html"):
        assert word in result.out
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert len(summary["methods"]) == 5
    assert all(source["matched_correlation"] > 0.9 for source in summary["sources"])


@pytest.mark.slow
def test_demo_of_a_nonlinear_mixture_fits_a_network(run, quick, tmp_path, monkeypatch):
    monkeypatch.setattr(demo_module, "SAMPLES", 150)
    with quick_compile():
        summary = run("demo", "nonlinear", "--epochs", 2, "--out", tmp_path, "--json").json()
    assert summary["model"]["mixing"] == "mlp"
    assert (tmp_path / "figure7_sources.png").stat().st_size > 0


def test_a_folder_is_separated_file_by_file(run, quick, simulated, tmp_path):
    folder, out = tmp_path / "recordings", tmp_path / "out"
    folder.mkdir()
    for name in ("first", "second"):
        (folder / f"{name}.csv").write_bytes((simulated / "recording.csv").read_bytes())
    (folder / "third.csv").write_text("a,b\n1,x\n")
    (folder / "notes.txt").write_text("no recording")
    arguments = ["separate", folder, "-n", 3, "--max-epochs", 2, "--out", out, "--json"]
    result = run(*arguments)
    outcomes = {one["name"]: one for one in result.json()["recordings"]}
    assert result.code == 2
    assert set(outcomes) == {"first", "second", "third"}
    assert outcomes["first"]["error"] is outcomes["second"]["error"] is None
    assert "third.csv: line 2, column 'b': 'x' is not a number" in outcomes["third"]["error"]
    assert {path.name for path in (out / "first").iterdir()} == RESULTS
    assert (out / "first" / "sources.csv").read_bytes() == (out / "second" / "sources.csv").read_bytes()
    assert not (out / "third").exists()
    again = {one["name"]: one["seconds"] for one in run(*arguments).json()["recordings"]}
    assert again["first"] == again["second"] == 0
    lines = run(*arguments[:-1]).out.splitlines()
    assert len(json.loads((out / "first" / "summary.json").read_text())["diagnostics"]) == 1
    assert lines[0] == f"first: {out / 'first'} (there already; 1 remark in the report)"
    assert lines[2].startswith("third: InputError: ")


def test_a_folder_without_recordings_and_jobs_without_a_folder_are_refused(run, simulated, tmp_path):
    assert "holds no recording" in run("separate", tmp_path, "-n", 3, "--out", tmp_path / "out").err
    (tmp_path / "a.csv").write_text("")
    (tmp_path / "a.npy").write_text("")
    assert "several files called a" in run("separate", tmp_path, "-n", 3, "--out", tmp_path / "out").err
    result = run("separate", simulated / "recording.csv", "-n", 3, "--jobs", 2, "--out", tmp_path / "out")
    assert (result.code, "for a folder" in result.err) == (2, True)


@pytest.fixture
def two_recordings(simulated, tmp_path):
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in ("first", "second"):
        (folder / f"{name}.csv").write_bytes((simulated / "recording.csv").read_bytes())
    return folder


def test_an_interrupted_folder_says_how_to_go_on_and_leaves_nothing_empty(run, two_recordings, tmp_path, monkeypatch):
    def interrupt(tasks, paths, out, **_):
        paths["first"].parent.mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr("stradiff.cli.many.run_tasks", interrupt)
    result = run("separate", two_recordings, "-n", 3, "--jobs", 2, "--out", tmp_path / "out")
    assert result.code == 130
    assert result.err.endswith("the same command goes on where it stopped.\n")
    assert not (tmp_path / "out").exists()


def test_a_scheduler_without_dask_is_refused_before_a_folder_is_made(run, two_recordings, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = run("separate", two_recordings, "-n", 3, "--scheduler", "tcp://127.0.0.1:1", "--out", tmp_path / "out")
    assert (result.code, "stradiff[cluster]" in result.err) == (2, True)
    assert not (tmp_path / "out").exists()


def test_dask_is_silent_while_it_works_and_not_after(run, two_recordings, tmp_path, monkeypatch, caplog):
    log = logging.getLogger("distributed.client").warning

    def run_tasks(*_, **__):
        log("Couldn't gather 1 keys")
        return []

    monkeypatch.setattr("stradiff.cli.many.run_tasks", run_tasks)
    address = "tcp://127.0.0.1:1"
    assert run("separate", two_recordings, "-n", 3, "--scheduler", address, "--out", tmp_path / "out").code == 0
    log("after")
    assert [record.message for record in caplog.records] == ["after"]
