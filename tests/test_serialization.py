"""Saved fits: the same bits back, and nothing else let in."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
from quick_compile import quick_compile
from safetensors import safe_open
from safetensors.numpy import save_file

from stradiff import StrADiff, simulate
from stradiff.config import SMOOTH
from stradiff.errors import StorageError
from stradiff.initialise.prior_selection import STRUCTURED
from stradiff.serialization import digest


@pytest.fixture(scope="module")
def values():
    return simulate("linear", n_samples=160, seed=0).recording.values


@pytest.fixture(scope="module")
def fitted(values):
    model = StrADiff(
        2, max_epochs=3, tol=0.0, n_diffusion_steps=3, network_width=8, n_draws=5, random_state=0, prior="matern32"
    )
    with quick_compile():
        return model.fit(values, times=np.arange(len(values)) * 0.5)


@pytest.fixture
def saved(fitted, tmp_path):
    path = tmp_path / "fit.stradiff"
    fitted.save(path)
    return path


def rewritten(path, change):
    """The file at ``path`` after ``change(header, arrays)``, still a whole safetensors file."""
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["stradiff"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(header, arrays)
    header.pop("digest")
    header["digest"] = digest(header, arrays)  # so that the change itself is what is refused
    save_file(arrays, path, metadata={"stradiff": json.dumps(header)})


def test_everything_comes_back_bit_for_bit(fitted, saved, values):
    again = StrADiff.load(saved)
    for name in ("sources_", "sources_std_", "reconstruction_", "length_scales_", "mixing_", "times_"):
        np.testing.assert_array_equal(getattr(again, name), getattr(fitted, name))
    for name in ("n_epochs_", "converged_", "interrupted_", "span_", "recorded_epochs_", "warnings_", "n_features_in_"):
        assert getattr(again, name) == getattr(fitted, name)
    for name, rows in fitted.history_.items():
        np.testing.assert_array_equal(again.history_[name], rows)
    np.testing.assert_array_equal(again.transform(values), fitted.transform(values))
    np.testing.assert_array_equal(again.sample_sources(4, 7), fitted.sample_sources(4, 7))
    np.testing.assert_array_equal(again.inverse_transform(again.sources_), fitted.inverse_transform(fitted.sources_))
    for epoch in fitted.recorded_epochs_:
        np.testing.assert_array_equal(again.reverse_path(epoch), fitted.reverse_path(epoch))
    assert again.get_params()["n_diffusion_steps"] == 3


def test_a_loaded_fit_saves_to_the_same_bytes(saved, tmp_path):
    StrADiff.load(saved).save(tmp_path / "again.stradiff")
    assert (tmp_path / "again.stradiff").read_bytes() == saved.read_bytes()


def test_a_prior_nobody_registered_is_refused_by_name(saved):
    def rename(header, arrays):
        header["settings"]["prior"] = "fractal"
        header["priors"] = [{"name": "fractal"}] * 2

    rewritten(saved, rename)
    with pytest.raises(StorageError, match=r"prior='fractal'.*register_prior"):
        StrADiff.load(saved)


def test_what_auto_picked_comes_back(values, tmp_path):
    model = StrADiff(2, prior="auto", max_epochs=2, tol=0.0, n_diffusion_steps=2, network_width=4, random_state=0)
    with quick_compile():
        model.fit(values)
        model.save(tmp_path / "fit.stradiff")
        again = StrADiff.load(tmp_path / "fit.stradiff")
    assert len(model.priors_) == 2 and set(model.priors_) <= {SMOOTH, *STRUCTURED}
    assert again.priors_ == model.priors_ and again.prior == "auto"
    np.testing.assert_array_equal(again.length_scales_, model.length_scales_)


def test_a_history_that_left_the_range_of_numbers_comes_back(fitted, tmp_path):
    wild = copy.copy(fitted)
    wild.history_ = fitted.history_ | {"kl": fitted.history_["kl"] * np.inf}
    wild._paths = fitted._paths | {0: fitted._paths[0] * np.nan}
    wild.save(tmp_path / "fit.stradiff")
    again = StrADiff.load(tmp_path / "fit.stradiff")
    np.testing.assert_array_equal(again.history_["kl"], wild.history_["kl"])
    np.testing.assert_array_equal(again._paths[0], wild._paths[0])


def test_what_could_not_be_read_again_is_not_written(fitted, tmp_path):
    wild = copy.copy(fitted)
    wild.sources_std_ = fitted.sources_std_ * np.inf
    with pytest.raises(StorageError, match="sources_std_ of this fit is not finite"):
        wild.save(tmp_path / "fit.stradiff")
    assert not list(tmp_path.iterdir())


def test_a_folder_in_its_place_is_named(fitted):
    with pytest.raises(StorageError, match=r"^\. cannot be written: \. is a folder"):
        fitted.save(".")


def test_others_may_read_it(saved, tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    assert saved.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"no fit at all", bytes(range(256)) * 8])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "fit.stradiff"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"not a saved fit|no saved fit"):
        StrADiff.load(path)


def test_missing_files_are_refused(tmp_path):
    with pytest.raises(StorageError, match="does not exist"):
        StrADiff.load(tmp_path / "nowhere.stradiff")


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_truncated_files_are_refused(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    with pytest.raises(StorageError):
        StrADiff.load(saved)


@pytest.mark.parametrize("place", [0.2, 0.4, 0.6, 0.8, 0.999])
def test_a_flipped_byte_is_noticed(saved, place):
    content = bytearray(saved.read_bytes())
    content[int(place * len(content))] ^= 0x01
    saved.write_bytes(content)
    with pytest.raises(StorageError):
        StrADiff.load(saved)


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    save_file({"weights": np.zeros(3)}, tmp_path / "fit.stradiff")
    with pytest.raises(StorageError, match="no saved fit"):
        StrADiff.load(tmp_path / "fit.stradiff")


CHANGES = {
    "another version": lambda header, arrays: header.update(version=99),
    "an unknown setting": lambda header, arrays: header["settings"].update(colour="blue"),
    "an impossible setting": lambda header, arrays: header["settings"].update(nu_y=-1.0),
    "an unknown parameter": lambda header, arrays: header["parameters"].update(colour="blue"),
    "a missing fact": lambda header, arrays: header["facts"].pop("n_epochs_"),
    "a missing array": lambda header, arrays: arrays.pop("regression"),
    "a number that is none": lambda header, arrays: arrays["sources_"].__setitem__((0, 0), np.nan),
    "another width": lambda header, arrays: header["settings"].update(network_width=9),
    "another number of sources": lambda header, arrays: header["settings"].update(n_sources=3),
    "an order that is none": lambda header, arrays: arrays["readout.order"].__setitem__(slice(None), 0),
    "no dictionary": lambda header, arrays: header.update(settings=[1, 2]),
    "results of another shape": lambda header, arrays: arrays.update(sources_std_=arrays["sources_std_"][1:]),
    "a history of another length": lambda header, arrays: header["facts"].update(n_epochs_=2),
    "no paths": lambda header, arrays: [arrays.pop(name) for name in list(arrays) if name.startswith("path.")],
    "an unknown array": lambda header, arrays: arrays.update(colour=np.zeros(3)),
    "an unknown part of the model": lambda header, arrays: arrays.update({"model.colour": np.zeros(3)}),
    "weights of another shape": lambda header, arrays: arrays.update(
        {name: array.T.copy() for name, array in arrays.items() if name.endswith("weight_in")}
    ),
    "weights of another precision": lambda header, arrays: arrays.update(
        {name: array.astype("f8") for name, array in arrays.items() if name.startswith("model")}
    ),
    "an order of fractions": lambda header, arrays: arrays.update({"readout.order": np.array([0.0, 1.0])}),
    "a gain of zero": lambda header, arrays: arrays["readout.gain"].__setitem__(0, 0.0),
    "a fact of another type": lambda header, arrays: header["facts"].update(warnings_="none"),
    "names for other channels": lambda header, arrays: header.update(feature_names=["a"]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_not_known_is_refused(saved, change):
    rewritten(saved, change)
    with pytest.raises(StorageError):
        StrADiff.load(saved)


def test_loading_runs_no_code(tmp_path):
    ran = tmp_path / "ran"

    class Trap:
        def __reduce__(self):
            return (open, (str(ran), "w"))

    path = tmp_path / "fit.stradiff"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(StorageError):
        StrADiff.load(path)
    assert not ran.exists()


def test_a_failed_write_leaves_the_old_file(fitted, saved, monkeypatch):
    before = saved.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("stradiff.serialization.serialise", full)
    with pytest.raises((StorageError, OSError)):
        fitted.save(saved)
    assert saved.read_bytes() == before
    assert [entry.name for entry in saved.parent.iterdir()] == [saved.name]
