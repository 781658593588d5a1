"""The configuration file of the command line: written by every run, read by ``--config``, overridden by options."""

from __future__ import annotations

import tomllib
from types import SimpleNamespace

import pytest
from as_users_call import as_users_call

from stradiff import MLP, StrADiff
from stradiff.cli.configuration import configured, write_configuration
from stradiff.config import Training
from stradiff.errors import InputError
from stradiff.model.priors import GaussianProcess


@pytest.fixture
def asked(monkeypatch):
    """What ``separate`` would fit, in place of fitting it."""
    asked = SimpleNamespace()

    def note(console, recording, parameters, checkpoint=None):
        vars(asked).update(recording=recording, model=configured(parameters))
        raise InputError("Noted.")

    monkeypatch.setattr("stradiff.cli.results.fit", note)
    return asked


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "config.toml"
        path.write_text(text)
        return path

    return write


def test_a_run_is_run_again_from_its_configuration_to_the_same_bits(run, simulated, separated, tmp_path):
    path = separated / "configuration.toml"
    assert run("separate", simulated / "recording.csv", "--config", path, "--out", tmp_path, "-q").code == 0
    for name in ("sources.csv", "bands.csv", "history.csv", "configuration.toml"):
        assert (tmp_path / name).read_bytes() == (separated / name).read_bytes()


def test_a_written_configuration_is_complete(separated):
    table = tomllib.loads((separated / "configuration.toml").read_text())
    assert table["n_components"] == 3 and table["random_state"] == 5 and table["recording"] == {"sampling_rate": 10.0}
    assert table["training"]["max_epochs"] == 4 and table["training"]["learning_rate"] == 3e-3
    assert table["mixing"] == {"name": "linear"} and table["objective"]["nu_y"] == 0.01


def test_objects_come_back_as_they_were(separated, tmp_path):
    model = StrADiff.load(separated / "fit.stradiff")
    model.set_params(mixing=MLP(width=8), prior=[GaussianProcess("rbf+matern12", length_scale=0.1)] * 3)
    model.fit_info_["settings"]["mixing"] = MLP(width=8).as_dict()
    write_configuration(model, {"columns": ["a", 2]}, tmp_path / "config.toml")
    table = tomllib.loads((tmp_path / "config.toml").read_text())
    assert table.pop("recording") == {"columns": ["a", 2]}
    again = configured(table)
    assert again.mixing == MLP(width=8) and list(again.prior) == model.prior
    assert again.training == Training(**model.fit_info_["settings"]["training"])


def test_options_take_precedence_over_the_file(run, simulated, asked, config, tmp_path):
    path = config(
        'n_components = 3\nmixing = "mlp"\n[training]\nmax_epochs = 7\ntol = 0.5\n[recording]\ncolumns = [2, 0]\n'
    )
    arguments = ["separate", simulated / "recording.csv", "--config", path, "--out", tmp_path / "out"]
    assert run(*arguments, "-n", 2, "--tol", 0.25).err == "stradiff: Noted.\n"
    assert (asked.model.n_components, asked.model.mixing) == (2, "mlp")
    assert asked.model.training == Training(max_epochs=7, tol=0.25)
    assert asked.recording.channel_names == ("channel 3", "channel 1")
    run(*arguments, "--columns", "channel 1,channel 2", "--seed", 4)
    assert asked.recording.channel_names == ("channel 1", "channel 2") and asked.model.random_state == 4


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("n_components = ", "cannot be read as a configuration in TOML"),
        ("sources = 3", "'sources' is no parameter; there are"),
        ("[recording]\nrate = 3", "'rate' is no entry of [recording]; there are sampling_rate, time_column, columns"),
        ("n_components = 3\n[training]\nepochs = 3", "Training has no parameter 'epochs'; it has"),
        ("n_components = 3\ntraining = 3", "training=3 must be Training(...)"),
        ('n_components = 3\n[mixing]\nname = "cubic"', "cubic does not exist; choose one of linear"),
        ("", "The number of sources is missing; give --components N"),
    ],
)
def test_a_wrong_file_gets_one_sentence(run, simulated, config, tmp_path, text, sentence):
    path = config(text)
    with as_users_call():
        result = run("separate", simulated / "recording.csv", "--config", path, "--out", tmp_path / "out")
    assert (result.code, result.err.count("\n")) == (2, 1) and sentence in result.err
    assert not (tmp_path / "out").exists()


def test_a_missing_file_is_refused(run, simulated, tmp_path):
    result = run("separate", simulated / "recording.csv", "--config", tmp_path / "none.toml", "--out", tmp_path / "out")
    assert result.code == 2 and "none.toml cannot be read" in result.err


def test_help_has_few_options_and_the_rest_under_a_heading(run):
    basic, advanced = run("separate", "--help").out.split("Advanced options")
    for option in ("--components", "--mixing", "--config", "--out"):
        assert option in basic
    for option in ("--nu-y", "--max-epochs", "--preset", "--devices"):
        assert option in advanced and option not in basic
