from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from as_users_call import as_users_call
from stradiff.presets import PRESETS, resolve

from stradiff.config import CHOICES, COUNTS, FLAGS, NOT_NEGATIVE, POSITIVE
from stradiff.errors import OptionError

NAN, INF = float("nan"), float("inf")


@pytest.fixture(autouse=True)
def _as_users_call():
    with as_users_call():
        yield


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("value", ["nonsense", "", 3, ("linear",), ["rbf"]])
def test_unknown_choices_are_refused_with_the_known_ones(name, value):
    with pytest.raises(OptionError, match=f"{name}=.*{next(iter(CHOICES[name]))}"):
        Settings(**{name: value})


@pytest.mark.parametrize("name", POSITIVE + NOT_NEGATIVE)
@pytest.mark.parametrize("value", [-1.0, NAN, INF, -INF, "1", True, [], {}])
def test_numbers_are_finite_and_not_negative(name, value):
    with pytest.raises(OptionError, match=f"{name}=.*finite number"):
        Settings(**{name: value})


@pytest.mark.parametrize("name", POSITIVE)
def test_positive_numbers_are_not_zero(name):
    with pytest.raises(OptionError, match=f"{name}=0.0 .* above 0"):
        Settings(**{name: 0.0})


@pytest.mark.parametrize("name", NOT_NEGATIVE)
def test_weights_may_be_zero(name):
    assert getattr(Settings(**{name: 0.0}), name) == 0


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [0, -3, 2.0, True, "2", None])
def test_counts_are_whole_and_at_least_one(name, value):
    with pytest.raises(OptionError, match=f"{name}=.*whole number of at least 1"):
        Settings(**{name: value})


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("value", ["no", 1, 0.0, None])
def test_flags_are_true_or_false(name, value):
    with pytest.raises(OptionError, match=f"{name}=.*True or False"):
        Settings(**{name: value})


@pytest.mark.parametrize("value", [-1, 2.5, True, INF, "10"])
def test_max_epochs_is_whole(value):
    with pytest.raises(OptionError, match=r"max_epochs=.*whole number, 0 or above"):
        Settings(max_epochs=value)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"start_sigma": (0.1, 0.1)}, "start_sigma has 2 values.* 3 sources"),
        ({"length_scale_init": (0.1,) * 4}, "length_scale_init has 4 values"),
        ({"start_sigma": (0.1, 0.0, 0.1)}, "start_sigma=.*above 0"),
        ({"length_scale_init": (0.1, NAN, 0.1)}, "length_scale_init=.*above 0"),
        ({"length_scale_init": 0.0}, "length_scale_init=0.0"),
        ({"prior": "fractal"}, "prior='fractal' does not exist.*rbf"),
        ({"prior": ("rbf", "ar")}, "prior has 2 names.* 3 sources"),
        ({"prior": ("rbf", "ar", "fractal")}, "prior='fractal'"),
        ({"prior": ["rbf"]}, "prior="),
        ({"prior": "rbf+fractal"}, "or a sum of 2 to 3"),
        ({"prior": "auto"}, "init='random' has none"),
    ],
)
def test_values_for_each_source(options, reason):
    with pytest.raises(OptionError, match=reason):
        Settings(**options)


def test_settings_compile_together_when_they_differ_only_in_what_is_not_compiled():
    one = Settings()
    same = dataclasses.replace(one, learning_rate=0.1, max_epochs=3, tol=1.0, start_sigma=0.5)
    assert one.training == same.training and hash(one.training) == hash(same.training)
    assert one.training != dataclasses.replace(one, nu_y=0.5).training


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_valid_and_give_way_to_what_the_user_says(preset):
    settings = resolve(preset, 2, {"nu_y": 0.7, "tol": None})
    assert settings.objective.nu_y == 0.7
    assert settings.training.tol == PRESETS[preset].get("tol", Settings().tol)
    assert settings.n_sources == 2


@pytest.mark.parametrize("preset", ["best", None, ["default"], {}])
def test_unknown_presets_are_refused(preset):
    with pytest.raises(OptionError, match=r"preset=.*paper, default"):
        resolve(preset, 2, {})


@pytest.mark.parametrize("given", [[0.1, 0.2], (0.1, 0.2), np.array([0.1, 0.2]), (np.float32(0.1), 0.2)])
def test_values_for_each_source_come_as_any_sequence(given):
    start_sigma = resolve("paper", 2, {"start_sigma": given}).start_sigma
    assert isinstance(start_sigma, tuple)
    np.testing.assert_allclose(start_sigma, (0.1, 0.2), rtol=1e-7)
    assert resolve("paper", 2, {"max_epochs": np.int64(5)}).max_epochs == 5


@pytest.mark.parametrize(("name", "value"), [("start_sigma", ["a", "b"]), ("mixing", ["linear"]), ("tol", [[1.0]])])
def test_other_sequences_are_refused(name, value):
    with pytest.raises(OptionError, match=f"{name}="):
        resolve("paper", 2, {name: value})


def test_the_paper_preset_is_the_paper():
    """No volume, no standardised sources, no warm start, fixed sigma_f and xi, all epochs, L = 20, 10,000 epochs."""
    settings = resolve("paper", 3, {})
    assert (settings.objective.lambda_volume, settings.objective.standardise, settings.init) == (0.0, False, "random")
    assert (settings.learn_sigma_f, settings.learn_jitter) == (False, False)
    assert (settings.diffusion.n_steps, settings.training.max_epochs, settings.training.tol, settings.training.halving) == (20, 10_000, 0.0, 0.0)
    assert (settings.mixing_linear_path, settings.objective.diffusion_moves_sources) == (False, True)


def test_a_map_brings_its_own_defaults_and_gives_way_too():
    settings = resolve("default", 2, {"mixing": "post_nonlinear", "learning_rate": 0.02})
    assert (settings.prior, settings.objective.nu_y, settings.training.learning_rate) == ("ar_laplace", 1e-3, 0.02)
    assert resolve("default", 2, {"mixing": "mlp"}).prior is None
    assert resolve("paper", 2, {"mixing": "post_nonlinear"}).prior == "rbf", "the paper's preset is the paper's"
