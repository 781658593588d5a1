"""The nested configuration: what it refuses, how presets fill it in, and that tables and prints of it read back."""

from __future__ import annotations

import json
import tomllib

import pytest
from as_users_call import as_users_call
from short import changed, configuration

import stradiff.config
import stradiff.model.mixing
import stradiff.model.priors
from stradiff import StrADiff
from stradiff.config import (
    PRESETS,
    Checkpoint,
    Configuration,
    Convolutional,
    Dense,
    Diffusion,
    Laplace,
    MonteCarlo,
    Objective,
    Training,
    defaults,
    describe,
    read_parameters,
    resolve,
    table_of,
)
from stradiff.errors import OptionError
from stradiff.model.mixing import MLP, Invertible, PostNonlinear
from stradiff.model.priors import Autoregression, GaussianProcess
from stradiff.train.step import StepSettings

NAN, INF = float("nan"), float("inf")
NAMESPACE = vars(stradiff.config) | vars(stradiff.model.mixing) | vars(stradiff.model.priors)
CUSTOM = {
    "n_components": 2,
    "mixing": MLP(width=8, linear_path=False),
    "prior": (GaussianProcess("rbf+matern12", length_scale=0.1), Autoregression(order=8, innovations="student")),
    "normalise": "standardise",
    "n_restarts": 2,
    "diffusion": Diffusion(n_steps=5, network=Dense(width=16), start_sigma=(0.1, 0.2)),
    "objective": Objective(nu_y=0.1, standardise=False),
    "training": Training(max_epochs=7, tol=0.0, segment_length=512, record_epochs=(0, 3)),
    "uncertainty": MonteCarlo(n_draws=5),
    "checkpoint": Checkpoint("fit.checkpoint", seconds=1.5),
}
CONFIGURATION = {name: value for name, value in CUSTOM.items() if name not in ("n_components", "checkpoint")}


@pytest.fixture(autouse=True)
def _as_users_call():
    with as_users_call():
        yield


# --- single values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "field", "wrong", "message"),
    [
        (Objective, "nu_y", [0, 0.0, -1, NAN, INF, "1", True, [], {}], "a finite number above 0"),
        (Objective, "lambda_volume", [-1, NAN, INF, "1", True], "a finite number, 0 or above"),
        (Objective, "standardise", ["no", 1, 0.0], "True or False"),
        (Diffusion, "n_steps", [0, -3, 2.0, True, "2"], "a whole number of at least 1"),
        (Diffusion, "schedule", ["nonsense", "", 3, ("linear",), ["linear"]], "one of 'linear', 'cosine'"),
        (Diffusion, "network", ["deep", 3, MLP(), ("dense",)], "'auto', 'dense', 'convolutional', 'none', Dense"),
        (
            Diffusion,
            "start_sigma",
            [0.0, (0.1, 0.0), (0.1, NAN), (), ["a", "b"]],
            r"a finite number above 0, from 1e-30 to 1e\+30, or one for each source",
        ),
        (Training, "max_epochs", [-1, 2.5, True, INF, "10"], "a whole number of at least 0"),
        (Training, "tol", [-1e-9, [[1.0]]], "a finite number, 0 or above"),
        (
            Training,
            "segment_length",
            [0, 255, "some", 300.0],
            "one of 'auto', 'whole', or a whole number of at least 256",
        ),
        (Training, "n_devices", [0, "some", True], "one of 'all', or a whole number of at least 1"),
        (Training, "record_epochs", ["all", 5, (-1,), (1.5,)], "'auto' or a sequence of epochs"),
        (Training, "callbacks", [5, "ab", (print, 3)], "a sequence of functions of one argument"),
        (Laplace, "n_draws", [0, 1, None, 2.5], "a whole number of at least 2"),
        (Checkpoint, "path", ["", None, 7], "the path of a file"),
        (Configuration, "n_sources", [0, -1, True, 2.0, "3"], "a whole number of at least 1"),
        (Configuration, "normalise", ["scale", 3], "one of 'auto', 'centre', 'standardise', 'whiten'"),
        (Configuration, "init", ["pca", 3], "one of 'sobi', 'fastica', 'picard', 'random', or an array of sources"),
        (Configuration, "uncertainty", ["bayes", 3, Laplace], "'laplace', 'monte-carlo', Laplace"),
        (
            Configuration,
            "uncertainty",
            [{"name": "bayes"}, {"n_draws": 5}, {"name": []}],
            "one of 'laplace', 'monte-carlo'",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_those_that_may_be(kind, field, wrong, message):
    for value in wrong:
        with pytest.raises(OptionError, match=rf"^{field}=.* must be {message}"):
            kind(**{field: value})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"prior": "fractal"}, "prior='fractal' does not exist.*rbf.*auto, or add it with stradiff.register_prior"),
        ({"prior": ("rbf", "ar", "fractal")}, "prior='fractal' does not exist"),
        ({"prior": "rbf+fractal"}, "prior='rbf.fractal' must be one of .*or a sum of 2 to 3"),
        ({"prior": ("rbf", "auto")}, "prior='auto' selects for all sources and stands alone"),
        ({"prior": 3}, "prior=3 does not exist"),
        ({"mixing": "fractal"}, "mixing='fractal' does not exist.*mlp.*auto"),
        ({"mixing": ["linear"]}, "mixing="),
        ({"mixing": {"name": "mlp", "knots": 3}}, "MLP has no parameter 'knots'; it has width"),
        ({"diffusion": "dense"}, r"diffusion='dense' must be Diffusion\(...\)"),
        ({"objective": Training()}, r"objective=Training\(\) must be Objective\(...\)"),
        ({"training": {"epochs": 5}}, "Training has no parameter 'epochs'; it has max_epochs"),
        ({"diffusion": {"network": {"name": "dense", "width": 0}}}, "width=0 must be a whole number"),
    ],
)
def test_what_is_no_map_prior_or_record_is_refused(given, message):
    with pytest.raises(OptionError, match=message):
        Configuration(**given)


# --- presets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_complete_and_give_way_to_what_is_given(preset):
    given = Configuration(n_sources=2, objective=Objective(nu_y=0.7), training=Training(max_epochs=5))
    config = resolve(preset, given)
    assert (config.n_sources, config.objective.nu_y, config.training.max_epochs) == (2, 0.7, 5)
    assert config.training.tol == PRESETS[preset].training.tol
    complete = resolve(preset, Configuration())
    for record in (complete, complete.diffusion, complete.objective, complete.training, complete.uncertainty):
        assert {name for name, value in record.items() if value is None} <= {"prior"}
    assert resolve(preset, complete) == complete, "what is complete is unchanged"


@pytest.mark.parametrize("preset", ["best", None, ["default"], {}])
def test_unknown_presets_are_refused(preset):
    with pytest.raises(OptionError, match=r"^preset=.* must be one of 'default', 'paper'\.$"):
        resolve(preset, Configuration())


def test_the_paper_preset_is_the_paper():
    """No volume, no standardised sources, random starts, fixed sigma_f and xi, all of 10,000 epochs, L = 20."""
    config = resolve("paper", Configuration(mixing="mlp"))
    assert config.init == "random" and config.normalise == "standardise" and config.uncertainty == MonteCarlo()
    assert (config.diffusion.n_steps, config.diffusion.network, config.diffusion.output_scale) == (20, "dense", 1.0)
    assert (config.objective.lambda_volume, config.objective.standardise) == (0.0, False)
    assert config.objective.diffusion_moves_sources
    training = config.training
    assert (training.max_epochs, training.tol, training.halving, training.segment_length) == (10_000, 0.0, 0.0, "whole")
    assert config.prior == (GaussianProcess("rbf", length_scale=0.05),) * 3
    assert not (config.prior[0].learn_sigma_f or config.prior[0].learn_jitter)
    assert config.mixing == MLP(linear_path=False, output_scale=1.0)


def test_a_map_has_defaults_of_its_own_which_give_way_too():
    training = Training(learning_rate=0.02)
    config = resolve("default", Configuration(n_sources=2, mixing="post_nonlinear", training=training))
    assert config.prior == (Autoregression(innovations="laplace"),) * 2
    assert (config.objective.nu_y, config.training.learning_rate) == (1e-3, 0.02)
    assert resolve("default", Configuration(mixing="mlp")).prior is None
    assert resolve("paper", Configuration(mixing="post_nonlinear")).prior[0].name == "rbf", "the paper knows no map"


def test_one_prior_stands_for_all_sources():
    config = resolve("default", Configuration(n_sources=3, prior="matern32"))
    assert config.prior == config.initial_priors == (GaussianProcess("matern32"),) * 3
    assert Configuration(n_sources=2, prior="ar").initial_priors == (Autoregression(),) * 2
    for undecided in (None, "auto"):
        assert resolve("default", Configuration(prior=undecided)).initial_priors == (GaussianProcess(),) * 3


# --- checks against recordings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"start_sigma": (0.1, 0.1)}, "start_sigma has 2 values; give one, or one for each of 3 sources"),
        ({"prior": ("rbf", "ar")}, "prior has 2 values"),
        ({"prior": ()}, "prior has 0 values|prior=.* must be"),
        ({"prior": "auto"}, "init='random' has none"),
        ({"prior": ("rbf", "ar", Autoregression(order=50))}, "order=50 is too long for 100 samples.*below 50"),
        ({"mixing": "post_nonlinear", "normalise": "whiten"}, "normalise='whiten' would mix them before"),
        ({"segment_length": 512}, "segment_length=512 needs a network that can see a part.*network='convolutional'"),
        ({"segment_length": 512, "network": Dense(width=3)}, "segment_length=512 needs"),
    ],
)
def test_parameters_that_contradict_each_other_or_the_recording(given, message):
    with pytest.raises(OptionError, match=message):
        configuration(**given).check(100)
    with pytest.raises(OptionError, match="An autoregression of order=4 is too long for 8 samples"):
        configuration("default", prior="auto").check(8)


def test_parameters_that_suit_the_recording():
    configuration(prior=("rbf", "ar", Autoregression(order=49)), network="convolutional", segment_length=512).check(100)
    configuration("default", prior="auto", mixing="mlp", normalise="whiten", start_sigma=(0.1, 0.2, 0.3)).check(100)


@pytest.mark.parametrize(
    ("given", "n_samples", "network", "segment"),
    [
        ({}, 10_000, Dense(), None),
        ({}, 10_001, Convolutional(), None),
        ({}, 50_000, Convolutional(), None),
        ({}, 50_001, Convolutional(), 8192),
        ({"network": "dense"}, 60_000, Dense(), None),
        ({"network": Dense(width=3)}, 60_000, Dense(width=3), None),
        ({"network": Convolutional(channels=3)}, 100, Convolutional(channels=3), None),
        ({"network": "none"}, 60_000, None, 8192),
        ({"segment_length": 500}, 2000, Convolutional(), 500),
        ({"segment_length": 500}, 999, Dense(), None),
        ({"segment_length": "whole"}, 60_000, Convolutional(), None),
    ],
)
def test_the_length_of_the_recording_decides_network_and_segments(given, n_samples, network, segment):
    config = configuration("default", **given)
    assert config.network(n_samples) == network
    assert config.segment_length(n_samples) == segment


def test_several_recordings_are_seen_whole_by_a_network_that_fits_all():
    config = configuration("default")
    assert config.for_recordings([60_000]) is config
    equal, unequal = config.for_recordings([100, 100]), config.for_recordings([100, 60_000])
    assert equal.network(100) == Dense() and unequal.network(60_000) == unequal.network(100) == Convolutional()
    assert equal.segment_length(60_000) is unequal.segment_length(60_000) is None
    assert changed(config, network="dense").for_recordings([100, 100]).network(100) == Dense()
    with pytest.raises(OptionError, match="a dense network has one length"):
        changed(config, network="dense").for_recordings([100, 101])
    with pytest.raises(OptionError, match="segment_length=256 is for one long recording"):
        changed(config, segment_length=256).for_recordings([600, 600])


def test_fits_that_differ_in_what_is_not_compiled_share_their_step():
    config = configuration()
    same = changed(config, learning_rate=0.1, max_epochs=3, tol=1.0, start_sigma=0.5)
    assert StepSettings.of(config) == StepSettings.of(same) and hash(StepSettings.of(config)) == hash(
        StepSettings.of(same)
    )
    assert StepSettings.of(config) != StepSettings.of(changed(config, nu_y=0.5))


# --- tables, prints, nested parameters ----------------------------------------------------------------------------


def test_tables_of_parameters_read_back_through_json_and_toml():
    tables = {name: table_of(value) for name, value in CUSTOM.items()}
    assert read_parameters(json.loads(json.dumps(tables))) == CUSTOM
    text = """
        n_components = 2
        mixing = "residual"
        prior = ["rbf", {name = "ar", order = 8}]
        uncertainty = {name = "laplace", n_draws = 7}
        [diffusion]
        n_steps = 5
        network = {name = "dense", width = 16}
        [training]
        record_epochs = [0, 3]
        [checkpoint]
        path = "fit.checkpoint"
    """
    assert read_parameters(tomllib.loads(text)) == {
        "n_components": 2,
        "mixing": "residual",
        "prior": (GaussianProcess(), Autoregression(order=8)),
        "uncertainty": Laplace(n_draws=7),
        "diffusion": Diffusion(n_steps=5, network=Dense(width=16)),
        "training": Training(record_epochs=(0, 3)),
        "checkpoint": Checkpoint("fit.checkpoint"),
    }
    with pytest.raises(OptionError, match=r"checkpoint=\{'seconds': 3\} must be the path of a file"):
        read_parameters({"checkpoint": {"seconds": 3}})


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("given", [CONFIGURATION, {}, {"mixing": Invertible()}], ids=["custom", "plain", "invertible"])
def test_a_complete_configuration_reads_back_from_its_table_and_its_print(preset, given):
    config = resolve(preset, Configuration(n_sources=2, **given))
    table = table_of(config)
    assert Configuration(**json.loads(json.dumps(table))) == config
    assert eval(repr(config), NAMESPACE) == config and hash(eval(repr(config), NAMESPACE)) == hash(config)


def test_estimators_print_their_parameters_so_that_they_can_be_pasted_back():
    model = StrADiff(**CUSTOM)
    again = eval(repr(model), NAMESPACE | {"StrADiff": StrADiff})
    assert again.get_params(deep=False) == model.get_params(deep=False)


def test_nested_parameters_are_set_by_name():
    model = StrADiff(3).set_params(training__max_epochs=5, objective__nu_y=0.1, mixing="mlp", mixing__width=64)
    model.set_params(diffusion__network="convolutional", uncertainty="monte-carlo", uncertainty__n_draws=7)
    assert model.training == Training(max_epochs=5) and model.objective == Objective(nu_y=0.1)
    assert model.mixing == MLP(width=64) and model.diffusion == Diffusion(network="convolutional")
    assert model.uncertainty == MonteCarlo(n_draws=7)
    model.set_params(training__tol=0, prior="ar", prior__order=8, mixing=PostNonlinear(), mixing__knots=3)
    assert model.training == Training(max_epochs=5, tol=0)
    assert model.prior == Autoregression(order=8) and model.mixing == PostNonlinear(knots=3)
    assert "training__max_epochs" in model.get_params() and model.get_params()["mixing__knots"] == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"training__epochs": 5}, "Training has no parameter 'epochs'; it has max_epochs"),
        ({"mixing__width": 5}, "Linear has no parameter 'width'"),
        ({"mixing": "auto", "mixing__width": 5}, "mixing='auto' has no parameter"),
        ({"prior__order": 5}, "prior=None has no parameter"),
        ({"prior": ("ar", "ar"), "prior__order": 5}, "prior=.* has no parameter"),
        ({"n_restarts__width": 5}, "n_restarts=1 has no parameter"),
        ({"random_state__seed": 5}, "random_state=None has no parameter"),
        ({"training__max_epochs": -1}, "max_epochs=-1 must be a whole number of at least 0"),
    ],
)
def test_nested_parameters_that_there_are_not(given, message):
    with pytest.raises(OptionError, match=message):
        StrADiff(3).set_params(**given)


# --- defaults and their reasons -----------------------------------------------------------------------------------


def test_every_default_has_a_reason_that_says_why_and_not_what():
    rows = {row.name: row for row in defaults()}
    assert len(rows) == len(defaults()) and {"training__tol", "MLP.width", "Checkpoint.seconds"} <= set(rows)
    for name, row in rows.items():
        assert row.reason, name
        assert not row.reason.startswith((f"{row.default}:", f"{row.paper}:")) and "paper:" not in row.reason, name


def test_defaults_are_what_presets_are():
    rows = {row.name: row for row in defaults()}
    assert rows["training__tol"][1:3] == (3e-3, 0.0)
    assert rows["MLP.linear_path"][1:3] == (True, False)
    assert rows["GaussianProcess.length_scale"][1:3] == (None, 0.05)
    assert rows["MLP.width"][1:3] == (32, 32)
    for column, preset in enumerate(PRESETS, 1):
        config = resolve(preset, Configuration())
        for outer in ("diffusion", "objective", "training"):
            for field, value in getattr(config, outer).items():
                assert rows[f"{outer}__{field}"][column] == value


def test_the_description_is_a_line_for_each_parameter():
    heading, *lines = describe().splitlines()
    assert heading.split("  ")[0] == "parameter" and "preset 'default'" in heading and "preset 'paper'" in heading
    for line, row in zip(lines, defaults(), strict=True):
        assert line.startswith(row.name) and line.endswith(row.reason)
