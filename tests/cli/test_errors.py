"""Bad input: one clear sentence, exit code 2, no traceback, nothing written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stradiff.cli import main

RNG = np.random.default_rng(0)
GOOD = "a,b,c\n" + "\n".join(",".join(f"{value:.6f}" for value in row) for row in RNG.standard_normal((60, 3)))


def _npy(array, **options):
    return lambda path: np.save(path, array, **options)


def _npz_cut(path):
    np.savez(path, values=RNG.standard_normal((60, 3)))
    path.write_bytes(path.read_bytes()[:100])


# A file that cannot be a recording of two sources: its name, what is in it, a word of the sentence it earns.
FILES = {
    "NaN": ("x.csv", GOOD.replace(GOOD.splitlines()[9], "nan,1.0,2.0"), "line 10, column 'a'"),
    "an empty cell": ("x.csv", GOOD.replace(GOOD.splitlines()[9], ",1.0,2.0"), "--missing mask"),
    "Inf": ("x.npy", _npy(np.r_[np.full((1, 3), np.inf), RNG.standard_normal((50, 3))]), "inf"),
    "constant channel": ("x.npy", _npy(np.column_stack([RNG.standard_normal((50, 2)), np.ones(50)])), "constant"),
    "duplicate channel": ("x.npy", _npy(np.repeat(RNG.standard_normal((50, 1)), 2, axis=1)), "identical"),
    "named duplicates": (
        "x.csv",
        "left,right\n" + "\n".join(f"{k % 7},{k % 7}" for k in range(40)),
        "'left' and 'right'",
    ),
    "one row": ("x.csv", "a,b,c\n1.0,2.0,3.0", "sample"),
    "one channel": ("x.csv", "a\n" + "\n".join(map(str, range(60))), "channel"),
    "duplicate times": ("x.csv", "time,a,b\n0,1,2\n1,2,1\n1,4,4\n2,0,1\n3,5,5", "time"),
    "falling times": ("x.csv", "time,a,b\n0,1,2\n2,2,1\n1,4,4\n3,0,1\n4,5,5", "time"),
    "words": ("x.csv", "a,b,c\n1,2,3\n4,five,6\n7,8,8\n9,9,1", "five"),
    "empty": ("x.csv", "", "empty"),
    "wrong suffix": ("x.xlsx", "a,b\n1,2", "xlsx"),
    "truncated WAV": ("x.wav", lambda path: path.write_bytes(b"RIFF\x24\x08\x00\x00WAVEfmt "), "x.wav"),
    "truncated NPZ": ("x.npz", _npz_cut, "x.npz"),
    "pickled NPY": ("x.npy", _npy(np.array([{"a": 1}] * 5, dtype=object), allow_pickle=True), "x.npy"),
}


def _refused(result) -> str:
    """Check what every refusal has in common and return its sentence."""
    assert result.code == 2
    assert result.out == ""
    assert "Traceback" not in result.err
    sentence = result.err.strip()
    assert sentence.startswith("stradiff: ")
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("command", ["separate", "compare"])
def test_file_that_is_no_recording(run, tmp_path, name, command):
    file, content, word = FILES[name]
    path, out = tmp_path / file, tmp_path / "out"
    content(path) if callable(content) else path.write_text(content)
    result = run(command, path, "-n", 2, *(["--out", out] if command == "separate" else []))
    assert word.lower() in _refused(result).lower()
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["-n", 4], "4"),
        (["-n", 0], "--components"),
        (["-n", 2, "--mixing", "quadratic"], "quadratic"),
        (["-n", 2, "--prior", "fractal"], "fractal"),
        (["-n", 2, "--preset", "best"], "best"),
        (["-n", 2, "--init", "sober"], "--init"),
        (["-n", 2, "--init", "random", "--prior", "auto"], "choose --init sobi, or name a prior"),
        (["-n", 2, "--max-epochs", 0], "--max-epochs"),
        (["-n", 2, "--seed", -1], "--seed"),
        (["-n", 2, "--sampling-rate", 0], "--sampling-rate"),
        (["-n", 2, "--time-column", "clock"], "clock"),
        (["-n", 2, "--columns", "a,z"], "z"),
        (["-n", 2, "--columns", "a,b,0"], "'a' twice"),
        (["-n", "some"], "--components"),
        (["-n", 2, "--restarts", 0], "--restarts"),
        (["-n", "two"], "--components"),
        (["-n", 2, "--tol", -1], "--tol -1.0 must be a finite number, 0 or above"),
        (["-n", 2, "--nu-y", 0], "--nu-y 0.0 must be a finite number above 0"),
        (["-n", 2, "--speed", "high"], "--speed"),
        ([], "--components"),
    ],
)
def test_option_that_cannot_be(run, tmp_path, options, word):
    path, out = tmp_path / "x.csv", tmp_path / "out"
    path.write_text(GOOD)
    assert word in _refused(run("separate", path, *options, "--out", out))
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["separate", "nowhere.csv", "-n", 2, "--out", "out"], "nowhere.csv"),
        (["separate"], "RECORDING"),
        (["demo", "linear", "--out", ""], "'--out' / '-o': it is empty"),
        (["simulate", "linear", "--out", ""], "'--out' / '-o': it is empty"),
        (["dance"], "dance"),
        (["simulate", "cubic", "--out", "out"], "cubic"),
        (["simulate", "linear", "--samples", 10, "--out", "out"], "150"),
        (["simulate", "linear", "--noise", -1, "--out", "out"], "noise"),
        (["simulate", "linear", "--channels", 2, "--out", "out"], "2"),
        (["demo", "cubic", "--out", "out"], "cubic"),
        (["demo", "linear", "--epochs", 0, "--out", "out"], "epochs"),
        (["info", "nowhere.stradiff"], "nowhere.stradiff"),
        (["report", "nowhere.stradiff", "nowhere.csv", "--out", "out"], "nowhere"),
        (["report", "nowhere.stradiff", "nowhere.csv", "--out", "missing/page.html"], "folder missing does not exist"),
    ],
)
def test_command_that_cannot_be(run, tmp_path, monkeypatch, arguments, word):
    monkeypatch.chdir(tmp_path)
    assert word in _refused(run(*arguments))
    assert list(tmp_path.iterdir()) == []


def test_output_folder_that_is_a_file_is_found_before_the_fit(run, simulated, tmp_path, monkeypatch):
    monkeypatch.setattr("stradiff.cli.results.fit", lambda *_, **__: pytest.fail("fitted before looking"))
    (tmp_path / "out").write_text("mine")
    sentence = _refused(run("separate", simulated / "recording.csv", "-n", 2, "--out", tmp_path / "out"))
    assert "is a file" in sentence
    assert (tmp_path / "out").read_text() == "mine"


def test_truth_of_another_length_is_refused_before_the_fit(run, simulated, tmp_path, monkeypatch):
    monkeypatch.setattr("stradiff.cli.results.fit", lambda *_, **__: pytest.fail("fitted before looking"))
    (tmp_path / "truth.csv").write_text(GOOD)
    recording = simulated / "recording.csv"
    assert "60 samples" in _refused(run("compare", recording, "-n", 3, "--truth", tmp_path / "truth.csv"))


def test_file_that_is_no_fit(run, tmp_path):
    (tmp_path / "fit.stradiff").write_bytes(b"not a fit")
    assert "fit.stradiff" in _refused(run("info", tmp_path / "fit.stradiff"))


@pytest.mark.parametrize(
    "arguments", [["separate", "nowhere.csv", "-n", 2, "--out", "out"], ["separate"], ["demo", "cubic"], ["info", "x"]]
)
def test_with_json_the_error_is_one_json_object(run, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments, "--json")
    assert result.code == 2
    assert result.err == ""
    error = result.json()["error"]
    assert set(error) == {"type", "message", "exit_code"}
    assert error["exit_code"] == 2
    assert error["message"]


@pytest.mark.parametrize("as_json", [False, True])
def test_interrupted_before_there_was_a_result(run, simulated, tmp_path, monkeypatch, as_json):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("stradiff.cli.results.fit", interrupt)
    arguments = ["separate", simulated / "recording.csv", "-n", 2, "--out", tmp_path / "out"]
    result = run(*arguments, *(["--json"] if as_json else []))
    assert result.code == 130
    assert "Interrupted" in (result.out if as_json else result.err)
    assert "Traceback" not in result.err
    assert not (tmp_path / "out").exists()


def test_interrupted_with_training_kept_says_how_to_go_on(run, simulated, tmp_path, monkeypatch):
    def interrupt(*_, checkpoint):
        Path(checkpoint.path).write_text("training")
        raise KeyboardInterrupt

    monkeypatch.setattr("stradiff.cli.results.fit", interrupt)
    result = run("separate", simulated / "recording.csv", "-n", 2, "--out", tmp_path)
    assert result.code == 130
    assert str(tmp_path / "training.checkpoint") in result.err
    assert result.err.endswith("the same command with --resume goes on from there.\n")


def test_fault_of_the_program_shows_where_and_exits_with_1(run, simulated, tmp_path, monkeypatch):
    def break_down(*_, **__):
        raise ZeroDivisionError("a gremlin")

    monkeypatch.setattr("stradiff.cli.results.fit", break_down)
    result = run("separate", simulated / "recording.csv", "-n", 2, "--out", tmp_path / "out")
    assert result.code == 1
    assert "ZeroDivisionError: a gremlin" in result.err
    assert "please report it" in result.err.lower()
    assert not (tmp_path / "out").exists()


def test_help_is_there_for_every_command_and_names_every_option(capsys):
    assert main(["--help"]) == 0
    commands = ("separate", "demo", "compare", "simulate", "report", "info")
    general = capsys.readouterr().out
    for command in commands:
        assert command in general
        assert main([command, "--help"]) == 0
        text = re.sub(r"\s+", " ", capsys.readouterr().out)
        assert "Usage: stradiff" in text
        assert "--json" in text


def test_without_arguments_the_help_appears(run):
    result = run()
    assert result.code == 0
    assert "separate" in result.out


def test_version(run):
    result = run("--version")
    assert result.code == 0
    assert re.fullmatch(r"stradiff \d+\.\d+\.\d+\S*\n", result.out)


def test_help_does_not_wait_for_jax():
    code = (
        "import sys, json; from stradiff.cli import main; main(['--help']);"
        "heavy = {'jax', 'sklearn', 'matplotlib', 'pandas', 'scipy'} & set(sys.modules);"
        "print(json.dumps(sorted(heavy)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stderr.splitlines()[-1]) == []
