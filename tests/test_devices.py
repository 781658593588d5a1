"""Where a fit is computed, and one fit on several devices: four that are simulated, in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from as_users_call import as_users_call
from quick_compile import quick_compile
from short import estimator

from stradiff import StrADiff, simulate
from stradiff.errors import OptionError
from stradiff.model.devices import available_devices, computing_on
from stradiff.train.minibatches import Minibatches

PROGRAM = Path(__file__).with_name("on_four_devices.py")
Y = simulate("linear", n_samples=150, seed=0).recording.values
SHORT = {
    "max_epochs": 2, "tol": 0.0, "n_draws": 2, "verbose": False, "random_state": 0, "uncertainty": "monte-carlo",
    "n_steps": 2, "network": "none", "lambda_volume": 0.0, "init": "random", "length_scale": 0.1, "prior": "matern12",
}  # fmt: skip
GRADIENT_ROUNDINGS = 120  # of float32: a gradient is a sum over so many samples, here and there in another order


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """The numbers that ``on_four_devices`` prints."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    more = {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(PROGRAM), str(tmp_path_factory.mktemp("four"))]
    done = subprocess.run(command, env=os.environ | more, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def fitted():
    """A short fit for each name of a device."""
    with quick_compile():
        return {name: estimator(3, device=name, **SHORT).fit(Y) for name in ("cpu", "auto")}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_without_a_gpu_auto_is_the_processor(fitted):
    assert (fitted["auto"].sources_ == fitted["cpu"].sources_).all()
    for fit in fitted.values():
        assert fit.fit_info_["device"] == "cpu" and fit.fit_info_["n_devices"] == 1 and fit.fit_info_["device_kind"]


@as_users_call()
@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("gpu", r"finds cpu here; .* pip install \"stradiff\[cuda\]\""),
        ("cuda", r"stradiff\[cuda\]"),
        (
            "abacus",
            r"device='abacus' is not available: JAX finds cpu here; use device='auto' for the best available one\.$",
        ),
        ("", "must be 'auto', 'cpu', 'gpu' or another name"),
        (None, "must be 'auto'"),
        (0, "must be 'auto'"),
    ],
)
def test_a_device_that_is_not_there_is_refused(device, message):
    with pytest.raises(OptionError, match=message):
        estimator(3, device=device, **SHORT).fit(Y)


def test_a_fitted_estimator_computes_on_its_device(fitted, tmp_path):
    fit = fitted["cpu"]
    fit.save(tmp_path / "fit.stradiff")
    fit.device = "gpu"
    try:
        for call in (fit.transform, lambda _: fit.inverse_transform(fit.sources_), lambda _: fit.sample_sources(1)):
            with pytest.raises(OptionError, match="is not available"):
                call(Y)
    finally:
        fit.device = "cpu"
    assert StrADiff.load(tmp_path / "fit.stradiff").device == "auto"  # another machine may have less


def test_the_default_device_of_jax_holds_under_auto():
    with jax.default_device(jax.devices("cpu")[0]), computing_on("auto"):
        assert available_devices()[0] == jax.devices("cpu")[0]
    with jax.default_device("cpu"):
        assert available_devices() == jax.local_devices(backend="cpu")


@pytest.mark.parametrize("n_devices", [0, -1, 1.5, "many", True])
def test_a_number_of_devices_that_cannot_be_is_refused(n_devices):
    with (
        as_users_call(),
        pytest.raises(OptionError, match=r"n_devices=.* must be one of 'all', or a whole number of at least 1"),
    ):
        estimator(3, n_devices=n_devices, **SHORT).fit(Y)


def test_more_devices_than_there_are_are_refused(four):
    assert "n_devices=5 is more than there are: 4 of platform cpu" in four["refusal"]


def test_sources_are_dealt_out_evenly(four):
    assert four["shares"] == {"3": 3, "4": 4, "5": 1, "6": 3}


def test_by_sources_four_devices_compute_what_one_computes(four):
    whole = four["whole"]
    assert whole["objective"] <= GRADIENT_ROUNDINGS and whole["model"] <= GRADIENT_ROUNDINGS
    assert whole["devices"] == [4, 4, 4, 4]
    assert whole["share"] == {"start": 0.25, "moment of it": 0.25, "network": 0.25, "prior": 0.25}


def test_what_does_not_divide_is_on_every_device(four):
    """A family of three among four sources, and a network for all of them."""
    assert four["uneven"]["gradient"] <= GRADIENT_ROUNDINGS
    assert four["uneven"]["share"] == [0.25, 1.0, 1.0]


def test_by_sources_nothing_larger_than_the_sources_is_collected(four):
    assert four["whole"]["gathered"] <= 4 * 120


def test_by_segments_a_step_follows_the_mean_gradient(four):
    segments = four["segments"]
    assert segments["plan"] == [4, 0, 4]
    assert segments["gradient"] <= GRADIENT_ROUNDINGS and segments["evaluations"] <= GRADIENT_ROUNDINGS
    assert segments["seen"] == 4.0


def test_segments_of_a_minibatch_do_not_overlap(four):
    assert four["segments"]["seen once"] and four["segments"]["moved there alone"]


@pytest.mark.parametrize(("n_samples", "size"), [(1001, 256), (2500, 256), (60_000, 8192), (999_983, 8192)])
@pytest.mark.parametrize("n_devices", [1, 2, 3, 8])
def test_segments_for_several_devices_lie_apart(n_samples, size, n_devices):
    plan = Minibatches.of(n_samples, size, n_devices)
    assert plan.at_once <= n_devices and plan.count % plan.at_once == 0 and plan.count >= 2 * plan.at_once - 1
    assert plan.at_once == 1 or plan.epochs_per_pass * plan.size >= plan.length + plan.margin  # the last stands earlier
    assert plan.past + plan.count * plan.size == n_samples


def test_by_segments_a_fit_on_four_devices_separates(four):
    """As by segments on one device (``test_minibatches``); it goes on from its checkpoint to the same bits."""
    sobi, fit = four["public"]["correlation"]
    assert fit >= sobi - 0.002
    assert four["public"]["n_devices"] == 4 and four["public"]["resumed"]


@pytest.mark.parametrize("option", ["--devices", "--device"])
def test_the_command_line_names_the_option(tmp_path, option, capsys):
    from stradiff.cli.app import main

    np.savetxt(tmp_path / "recording.csv", Y, delimiter=",", header="a,b,c", comments="")
    words = ["separate", str(tmp_path / "recording.csv"), "-n", "3", "-o", str(tmp_path / "out")]
    assert main([*words, option, "64" if option == "--devices" else "gpu"]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"stradiff: {option} ") and len(message.splitlines()) == 1
