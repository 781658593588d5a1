"""Saved fits and checkpoints: the same bits back, and nothing else let in."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from own_models import QuadraticSpec, WhiteNoiseSpec
from quick_compile import quick_compile
from safetensors.numpy import save_file

from stradiff import Dense, Diffusion, Laplace, StrADiff, Training, fit_file, serialization, simulate
from stradiff.errors import StorageError
from stradiff.initialise.prior_selection import STRUCTURED
from stradiff.model.mixing import MAPS
from stradiff.model.priors import PRIORS

T, N = 80, 2
DIFFUSION = Diffusion(n_steps=3, network=Dense(width=8))
SMALL = {"diffusion": DIFFUSION, "training": Training(max_epochs=3, tol=0.0), "random_state": 0}


def assert_one_sentence(error):
    text = str(error)
    assert text.endswith(".") and "\n" not in text and len(text) < 500


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compile():
        yield


@pytest.fixture(scope="module")
def values():
    return simulate("linear", n_samples=160, seed=0).recording.values[:T]


@pytest.fixture(scope="module")
def fitted(values):
    model = StrADiff(N, prior="matern32", uncertainty=Laplace(n_draws=5), **SMALL)
    return model.fit(values, times=np.arange(T) * 0.5)


@pytest.fixture
def saved(fitted, tmp_path):
    path = tmp_path / "fit.stradiff"
    fitted.save(path)
    return path


def rewritten(path, change, kind=fit_file.KIND):
    """The file at ``path`` after ``change(header, arrays)``, whole, and with the digest of its new content."""
    header, arrays = serialization.read(path, kind, "")
    change(header, arrays)
    serialization.write(path, kind, header, arrays)


# --- trees ---------------------------------------------------------------------------------------------------


def test_a_tree_comes_back_leaf_by_leaf(tmp_path):
    tree = {"rows": np.arange(6.0).reshape(2, 3), "key": jax.random.key(3), "flags": (np.array([True, False]),)}
    tree["single"] = jnp.ones(2, jnp.float32)
    serialization.write(tmp_path / "tree", "tree", {"of": "leaves"}, serialization.arrays_of(tree))
    header, arrays = serialization.read(tmp_path / "tree", "tree", "a tree")
    again = serialization.filled(tree, arrays)
    assert header == {"kind": "tree", "of": "leaves"} and jax.tree.structure(again) == jax.tree.structure(tree)
    assert (jax.random.key_data(again.pop("key")) == jax.random.key_data(tree.pop("key"))).all()
    for leaf, other in zip(jax.tree.leaves(again), jax.tree.leaves(tree), strict=True):
        assert type(leaf) is type(other) and leaf.dtype == other.dtype
        np.testing.assert_array_equal(leaf, other)
    with pytest.raises(StorageError, match=r"is not a forest that this version reads \(forest\)\."):
        serialization.read(tmp_path / "tree", "forest", "a forest")


# --- saved fits ----------------------------------------------------------------------------------------------


def test_everything_comes_back_bit_for_bit(fitted, saved, values):
    again = StrADiff.load(saved)
    for name in ("sources_", "sources_std_", "reconstruction_", "length_scales_", "mixing_", "times_", "noise_std_"):
        np.testing.assert_array_equal(getattr(again, name), getattr(fitted, name))
    for name in ("n_epochs_", "converged_", "interrupted_", "span_", "recorded_epochs_", "diagnostics_", "fit_info_"):
        assert getattr(again, name) == getattr(fitted, name)
    for name, rows in fitted.history_.items():
        np.testing.assert_array_equal(again.history_[name], rows)
    np.testing.assert_array_equal(again.transform(values), fitted.transform(values))
    np.testing.assert_array_equal(again.sample_sources(4, 7), fitted.sample_sources(4, 7))
    np.testing.assert_array_equal(again.inverse_transform(again.sources_), fitted.inverse_transform(fitted.sources_))
    for epoch in fitted.recorded_epochs_:
        np.testing.assert_array_equal(again.reverse_path(epoch), fitted.reverse_path(epoch))
    params = again.get_params()
    assert params["diffusion"] == DIFFUSION and params["uncertainty"] == Laplace(n_draws=5)
    assert again.n_features_in_ == 3 and params["prior"] == "matern32"


def test_a_loaded_fit_saves_to_the_same_bytes(saved, tmp_path):
    StrADiff.load(saved).save(tmp_path / "again.stradiff")
    assert (tmp_path / "again.stradiff").read_bytes() == saved.read_bytes()


@pytest.mark.parametrize(("parameter", "register"), [("prior", "register_prior"), ("mixing", "register_mixing")])
def test_what_is_not_registered_is_refused_in_one_sentence(saved, parameter, register):
    def rename(header, arrays):
        table = {"name": "fractal"}
        header["configuration"][parameter] = table if parameter == "mixing" else [table] * N
        if parameter == "prior":
            header["priors"] = [table] * N

    rewritten(saved, rename)
    with pytest.raises(StorageError, match=rf"{parameter}='fractal' does not exist.*{register}") as caught:
        StrADiff.load(saved)
    assert_one_sentence(caught.value)


@pytest.mark.parametrize(
    ("parameter", "registry", "own"), [("prior", PRIORS, WhiteNoiseSpec), ("mixing", MAPS, QuadraticSpec)]
)
def test_what_was_registered_in_another_session_alone_is_named(values, tmp_path, monkeypatch, parameter, registry, own):
    with monkeypatch.context() as session:
        session.setitem(registry, own.name, own())
        model = StrADiff(N, **SMALL | {parameter: own()}, uncertainty="monte-carlo").fit(values)
        model.save(tmp_path / "fit.stradiff")
        again = StrADiff.load(tmp_path / "fit.stradiff")
        np.testing.assert_array_equal(again.transform(values), model.transform(values))
    with pytest.raises(StorageError, match=rf"{parameter}='{own.name}' does not exist.*register_{parameter}") as caught:
        StrADiff.load(tmp_path / "fit.stradiff")
    assert_one_sentence(caught.value)


def test_selected_priors_and_parameters_that_are_not_saved(values, tmp_path):
    """Priors come back as they were selected; arrays, callbacks, paths and random states do not come back."""
    model = StrADiff(N, prior="auto", **SMALL | {"random_state": np.random.RandomState(3)})
    model.set_params(training__callbacks=[lambda report: None], init=values[:, :N], uncertainty="monte-carlo")
    model.fit(values).save(tmp_path / "fit.stradiff")
    again = StrADiff.load(tmp_path / "fit.stradiff")
    assert len(model.priors_) == N and set(model.priors_) <= {"rbf", *STRUCTURED}
    assert again.priors_ == model.priors_ and again.prior == "auto"
    np.testing.assert_array_equal(again.length_scales_, model.length_scales_)
    assert again.init is None and again.training == Training(max_epochs=3, tol=0.0) and again.random_state is None


def with_changed(fitted, **changes):
    """A copy of a fit with other fields of its training or its result."""
    wild, result = copy.copy(fitted), fitted._result
    fields = {field.name for field in dataclasses.fields(result.training)}
    training = {name: value for name, value in changes.items() if name in fields}
    own = {name: value for name, value in changes.items() if name not in fields}
    wild._result = dataclasses.replace(result, training=dataclasses.replace(result.training, **training), **own)
    return wild


def test_a_history_that_left_the_range_of_numbers_comes_back(fitted, tmp_path):
    training = fitted._result.training
    history = training.history | {"kl": training.history["kl"] * np.inf}
    paths = training.paths | {0: training.paths[0] * np.nan}
    with_changed(fitted, history=history, paths=paths).save(tmp_path / "fit.stradiff")
    again = StrADiff.load(tmp_path / "fit.stradiff")
    np.testing.assert_array_equal(again.history_["kl"], history["kl"])
    np.testing.assert_array_equal(again._result.training.paths[0], paths[0])


def test_a_result_that_could_not_be_read_again_is_not_written(fitted, tmp_path):
    with pytest.raises(StorageError, match=r"sources_std'\] of this fit is not finite"):
        with_changed(fitted, sources_std=fitted.sources_std_ * np.inf).save(tmp_path / "fit.stradiff")
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
    with pytest.raises(StorageError, match=r"is not a fit saved with StrADiff\.save"):
        StrADiff.load(path)


def test_missing_files_are_refused(tmp_path):
    with pytest.raises(StorageError, match="does not exist"):
        StrADiff.load(tmp_path / "nowhere.stradiff")


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    save_file({"weights": np.zeros(3)}, tmp_path / "fit.stradiff")
    with pytest.raises(StorageError, match=r"is not a fit saved with StrADiff\.save"):
        StrADiff.load(tmp_path / "fit.stradiff")


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_truncated_files_are_refused(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    with pytest.raises(StorageError):
        StrADiff.load(saved)


@pytest.mark.parametrize("place", [0.2, 0.4, 0.6, 0.8, 0.999])
def test_a_flipped_bit_is_noticed(saved, place):
    content = bytearray(saved.read_bytes())
    content[int(place * len(content))] ^= 0x01
    saved.write_bytes(content)
    with pytest.raises(StorageError):
        StrADiff.load(saved)


@pytest.mark.parametrize("digest", ["0" * 64, "f" * 64, None])
def test_another_digest_is_refused(tmp_path, digest):
    header = json.dumps({"kind": "tree", "digest": digest})
    save_file({"x": np.zeros(1)}, tmp_path / "tree", metadata={"stradiff": header})
    with pytest.raises(StorageError, match="damaged"):
        serialization.read(tmp_path / "tree", "tree", "a tree")


def table(*names):
    """A function that gives a nested table of the header."""

    def of(header):
        for name in names:
            header = header[name]
        return header

    return of


CONFIGURATION, PARAMETERS = table("configuration"), table("extra", "parameters")
CHANGES = {
    "an unknown parameter of the configuration": lambda header, arrays: CONFIGURATION(header).update(colour="blue"),
    "an impossible configuration": lambda header, arrays: CONFIGURATION(header)["objective"].update(nu_y=-1.0),
    "no configuration": lambda header, arrays: header.update(configuration=[1, 2]),
    "an unknown parameter": lambda header, arrays: PARAMETERS(header).update(colour="blue"),
    "an impossible parameter": lambda header, arrays: PARAMETERS(header).update(training={"tol": -1.0}),
    "a missing number": lambda header, arrays: header["training"].pop("n_epochs"),
    "a missing array": lambda header, arrays: arrays.pop("['regression']"),
    "not a number": lambda header, arrays: arrays["['sources']"].__setitem__((0, 0), np.nan),
    "another width": lambda header, arrays: CONFIGURATION(header)["diffusion"]["network"].update(width=9),
    "another number of sources": lambda header, arrays: CONFIGURATION(header).update(n_sources=3),
    "no posterior": lambda header, arrays: (
        [header["optional"].remove("posterior")]
        + [arrays.pop(name) for name in list(arrays) if name.startswith("['posterior']")]
    ),
    "an order that is none": lambda header, arrays: arrays["['readout']['order']"].__setitem__(slice(None), 0),
    "results of another shape": lambda header, arrays: arrays.update(
        {"['sources_std']": arrays["['sources_std']"][1:].copy()}
    ),
    "times of another length": lambda header, arrays: arrays.update({"['given_times']": np.arange(3.0)}),
    "a history of another length": lambda header, arrays: header["training"].update(n_epochs=2),
    "no paths": lambda header, arrays: [arrays.pop(name) for name in list(arrays) if name.startswith("['paths']")],
    "an unknown array": lambda header, arrays: arrays.update(colour=np.zeros(3)),
    "an unknown part of the model": lambda header, arrays: arrays.update({"['model'].colour": np.zeros(3)}),
    "weights of another shape": lambda header, arrays: arrays.update(
        {name: array.swapaxes(1, 2).copy() for name, array in arrays.items() if name.endswith("weight_in")}
    ),
    "weights of another precision": lambda header, arrays: arrays.update(
        {name: array.astype("f8") for name, array in arrays.items() if name.startswith("['model']")}
    ),
    "an order of fractions": lambda header, arrays: arrays.update({"['readout']['order']": np.array([0.0, 1.0])}),
    "a gain of zero": lambda header, arrays: arrays["['readout']['gain']"].__setitem__(0, 0.0),
    "findings of another type": lambda header, arrays: header.update(findings="none"),
    "names of other channels": lambda header, arrays: header["extra"].update(feature_names=["a"]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_content_that_is_not_known_is_refused_in_one_sentence(saved, change):
    before = saved.read_bytes()
    rewritten(saved, change)
    assert saved.read_bytes() != before
    with pytest.raises(StorageError, match=saved.name) as caught:
        StrADiff.load(saved)
    assert_one_sentence(caught.value)


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
    with pytest.raises(StorageError, match="No space left on device"):
        fitted.save(saved)
    assert saved.read_bytes() == before
    assert [entry.name for entry in saved.parent.iterdir()] == [saved.name]


# --- checkpoints ---------------------------------------------------------------------------------------------
