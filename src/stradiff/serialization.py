"""A fitted model on disk: one safetensors file whose header holds JSON. Loading runs no code.

The arrays are named by where they stand. What they are for is rebuilt from the settings, and a file whose format,
settings, names, shapes or numbers this version does not expect is refused.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialise

from stradiff.config import AUTO, Settings
from stradiff.data import Normaliser, atomic_path
from stradiff.data.times import normalised_times
from stradiff.errors import OptionError, StorageError
from stradiff.initialise.model import random_model
from stradiff.model import Model, numerics
from stradiff.model.diffusion.networks import ConvolutionalNetwork, ReceptiveField
from stradiff.model.mixing import mixing_spec
from stradiff.model.model import Moments
from stradiff.model.priors import prior_spec
from stradiff.posterior import Readout, Separation
from stradiff.posterior.cross_talk import CrossTalk
from stradiff.posterior.laplace import Posterior
from stradiff.posterior.nonlinear_cross_talk import NonlinearCrossTalk
from stradiff.train.callbacks import History

if TYPE_CHECKING:
    from stradiff.estimator import StrADiff

FORMAT, VERSION = "stradiff fit", 2
RESULTS = ("sources_", "sources_std_", "reconstruction_", "length_scales_")
FACTS: dict[str, type] = {
    "n_epochs_": int,
    "converged_": bool,
    "interrupted_": bool,
    "span_": float,
    "fit_info_": dict,
    "warnings_": list,
    "diagnostics_": list,
    "n_features_in_": int,
}
POSTERIOR = ("mode", "nu")
CROSS_TALK = {CrossTalk: ("moments",), NonlinearCrossTalk: ("exponents", "centre", "scale", "factor")}
# Functions; an array as long as the recording; a place on one machine, and what computes there: another may have less.
NOT_KEPT = ("callbacks", "init", "checkpoint", "device")

Arrays = dict[str, np.ndarray]


def save(estimator: StrADiff, path: Path) -> None:
    """Write a fitted estimator to ``path``, whole or not at all."""
    separation: Separation = estimator._separation
    arrays = {f"model{name}": leaf for name, leaf in _named_leaves(separation.model)}
    for part in ("normaliser", "readout"):
        fields = vars(getattr(separation, part)).items()
        arrays |= {f"{part}.{name}": np.asarray(value) for name, value in fields}
    if separation.posterior is not None:
        cross_talk = separation.posterior.cross_talk
        arrays["as_trained"] = np.asarray(separation.as_trained, np.int8)
        arrays |= {f"posterior.{name}": np.asarray(getattr(separation.posterior, name)) for name in POSTERIOR}
        arrays |= {f"cross_talk.{name}": np.asarray(getattr(cross_talk, name)) for name in CROSS_TALK[type(cross_talk)]}
    arrays |= {"regression": separation.regression} | {name: getattr(estimator, name) for name in RESULTS}
    arrays |= {f"history.{name}": rows for name, rows in estimator.history_.items()}
    arrays |= {f"path.{epoch}": path_ for epoch, path_ in estimator._paths.items()}
    if estimator.times_ is not None:
        arrays["times"] = estimator.times_
    if separation.mask is not None:
        arrays["seen"] = separation.mask.astype(np.int8)
    header = {"format": FORMAT, "version": VERSION, "seed": separation.seed}
    header |= {"settings": dataclasses.asdict(separation.settings), "parameters": _parameters(estimator)}
    header |= {"facts": {name: getattr(estimator, name) for name in FACTS}}
    header |= _specifications(separation.settings, separation.model.priors.names)
    network = separation.model.branches.network
    header["reach"] = [network.stride, len(network.weights)] if isinstance(network, ConvolutionalNetwork) else None
    header["feature_names"] = list(getattr(estimator, "feature_names_in_", [])) or None
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    if wrong := _no_numbers(contiguous):
        raise StorageError(
            f"{path} is not written: {wrong} of this fit is not finite; fit again with a lower learning_rate."
        )
    header = json.loads(json.dumps(header, default=_plain))  # as it will be read
    header["digest"] = digest(header, contiguous)
    with atomic_path(path) as temporary:
        # As bytes: safetensors' own file writing makes files that only their owner may read.
        temporary.write_bytes(serialise(contiguous, metadata={"stradiff": json.dumps(header)}))


def load(path: Path) -> StrADiff:
    """Read what ``save`` wrote; :class:`StorageError` for anything else."""
    if not path.is_file():
        raise StorageError(f"{path} does not exist or is not a file; give a fit saved with StrADiff.save.")
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get("stradiff", "null"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no iteration over it)
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise StorageError(f"{path} is not a saved fit, or it is damaged; save the fit again.") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise StorageError(f"{path} is a safetensors file, but no saved fit; give one written by StrADiff.save.")
    if header.get("version") != VERSION:
        raise StorageError(f"{path} has format version {header.get('version')}; this StrADiff reads {VERSION}.")
    if header.pop("digest", None) != digest(header, arrays):
        raise StorageError(f"{path} is damaged: its content is not what was saved; save the fit again.")
    for parameter, name in _unregistered(header):
        raise StorageError(
            f"{path} was fitted with {parameter}={name!r}, which is not registered here; "
            f"call stradiff.register_{parameter} with what that name stands for, then load again."
        )
    try:
        return _restored(header, arrays)
    except (KeyError, TypeError, ValueError, AttributeError, OptionError) as error:
        reason = error.args[0] if error.args else type(error).__name__
        raise StorageError(f"{path} holds what this version does not know ({reason}); save the fit again.") from error


def _specifications(settings: Settings, priors: tuple[str, ...]) -> dict[str, Any]:
    """Map and priors of a fit, by name and fields; those of ``prior="auto"`` stand in no setting."""
    fitted = dataclasses.replace(settings, prior=priors)
    return {"mixing": fitted.mixing_spec.as_dict(), "priors": [prior.as_dict() for prior in fitted.prior_specs]}


def _unregistered(header: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Parameter and name of maps and priors that the file names and that are unknown here."""
    priors = header.get("priors")
    entries: list[tuple[Callable[[Any], Any], str, Any]] = [(mixing_spec, "mixing", header.get("mixing"))]
    entries += [(prior_spec, "prior", prior) for prior in (priors if isinstance(priors, list) else [])]
    for specification, parameter, entry in entries:
        name = entry.get("name") if isinstance(entry, dict) else None
        try:
            specification(name)
        except OptionError:
            if isinstance(name, str):  # what is no name at all is refused with the rest
                yield parameter, name


def digest(header: dict[str, Any], arrays: Arrays) -> str:
    """SHA-256 of everything in the file: a flipped bit must not pass for a fit."""
    total = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        total.update(f"{name}{array.dtype}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def _restored(header: dict[str, Any], arrays: Arrays) -> StrADiff:
    from stradiff.estimator import StrADiff  # the estimator imports this module

    if wrong := _no_numbers(arrays):
        raise StorageError(f"{wrong} is not an array of finite numbers")
    facts = header["facts"]
    for name, kind in FACTS.items():
        if type(facts[name]) is not kind:
            raise StorageError(f"{name} is no {kind.__name__}")
    settings = Settings(**{name: _tuple(value) for name, value in header["settings"].items()})
    _check_arrays(arrays, settings, facts["n_epochs_"])
    model = StrADiff(**{name: _tuple(value) for name, value in header["parameters"].items()})
    priors = tuple(prior["name"] for prior in header["priors"])
    if _specifications(settings, priors) != {name: header[name] for name in ("mixing", "priors")}:
        raise StorageError("its map or a prior has other fields than the one registered here")
    reach = None if header.get("reach") is None else ReceptiveField(*map(int, header["reach"]))
    model._separation = _separation(settings, priors, reach, int(header["seed"]), arrays)
    model.priors_ = model._separation.priors()
    for name in RESULTS:
        setattr(model, name, arrays[name])
    for name in FACTS:
        setattr(model, name, facts[name])
    model.times_ = arrays.get("times")
    model.history_ = {n.removeprefix("history."): a for n, a in arrays.items() if n.startswith("history.")}
    model._paths = {int(n.removeprefix("path.")): a for n, a in arrays.items() if n.startswith("path.")}
    model.recorded_epochs_ = tuple(sorted(model._paths))
    if header["feature_names"] is not None:
        if len(header["feature_names"]) != model.n_features_in_:
            raise StorageError("feature_names are not one for each channel")
        model.feature_names_in_ = np.asarray(header["feature_names"], dtype=object)
    return model


def _no_numbers(arrays: Arrays) -> str | None:
    """Name of an array that is not one of finite numbers; what was seen on the way there may have left their range."""
    for name, array in arrays.items():
        on_the_way = name.startswith(("history.", "path."))
        if array.dtype.kind not in "fi" or not (on_the_way or np.isfinite(array).all()):
            return name
    return None


def _check_arrays(arrays: Arrays, settings: Settings, n_epochs: int) -> None:
    """Refuse arrays, but for those of the model, that are unknown, missing, or not of the shape the others ask for."""
    (n_samples, n_sources), (n_channels, n_white) = arrays["sources_"].shape, arrays["normaliser.matrix"].shape
    shapes: dict[str, tuple[int, ...]] = {
        "sources_": (n_samples, n_sources),
        "sources_std_": (n_samples, n_sources),
        "reconstruction_": (n_samples, n_channels),
        "length_scales_": (n_sources,),
        "regression": (n_sources, n_white),
        "normaliser.mean": (n_channels,),
        "normaliser.matrix": (n_channels, n_white),
        "normaliser.inverse_matrix": (n_white, n_channels),
        "readout.order": (n_sources,),
        "readout.gain": (n_sources,),
    }
    if settings.uncertainty == "laplace":
        shapes |= {"posterior.mode": (n_sources, n_samples), "posterior.nu": (), "as_trained": ()}
        shapes |= {
            f"cross_talk.{name}": shape for name, shape in _cross_talk_shapes(arrays, n_sources, settings).items()
        }
    columns = History(n_sources).as_dict()
    shapes |= {f"history.{name}": (n_epochs, *rows.shape[1:]) for name, rows in columns.items()}
    paths = [name for name in arrays if name.startswith("path.")]
    shapes |= {name: (settings.n_diffusion_steps + 1, n_samples, n_sources) for name in paths}
    optional = {"times": (n_samples,), "seen": (n_samples, n_channels)}
    shapes |= {name: shape for name, shape in optional.items() if name in arrays}
    found = {name: array.shape for name, array in arrays.items() if not name.startswith("model")}
    if not paths or found != shapes:
        wrong = {name for name, _ in found.items() ^ shapes.items()} or {"path"}
        raise StorageError(f"{min(wrong)} is missing, unknown or of the wrong shape")


def _kind_of_cross_talk(settings: Settings) -> type[CrossTalk | NonlinearCrossTalk]:
    return CrossTalk if settings.mixing_spec.is_linear else NonlinearCrossTalk


def _cross_talk_shapes(arrays: Arrays, n_sources: int, settings: Settings) -> dict[str, tuple[int, ...]]:
    if _kind_of_cross_talk(settings) is CrossTalk:
        return {"moments": (n_sources, n_sources, 2, 2)}
    n_functions = len(np.atleast_1d(arrays.get("cross_talk.exponents", ())))
    coefficients = (n_sources, n_functions, n_sources * n_functions + 1)
    shapes = ((n_functions, n_sources), (n_sources,), (n_sources,), coefficients)
    return dict(zip(CROSS_TALK[NonlinearCrossTalk], shapes, strict=True))


def _separation(
    settings: Settings, priors: tuple[str, ...], reach: ReceptiveField | None, seed: int, arrays: Arrays
) -> Separation:
    n_samples, n_sources = arrays["sources_"].shape
    if n_sources != settings.n_sources:
        raise StorageError("the number of sources contradicts the settings")
    if settings.prior != AUTO and priors != settings.prior_names:
        raise StorageError("the priors contradict the settings")
    normaliser = Normaliser(*(arrays[f"normaliser.{name}"] for name in ("mean", "matrix", "inverse_matrix")))
    picked = dataclasses.replace(settings, prior=priors)

    def like(key: jax.Array) -> Model:
        model = random_model(n_samples, normaliser.matrix.shape[1], picked, key, reach)
        if not any(name.startswith("model.moments") for name in arrays):
            return model
        row = jnp.zeros(n_sources, jnp.float32)  # the recording was one of several
        return dataclasses.replace(model, moments=Moments(row, row))

    with numerics():
        skeleton = eqx.filter_eval_shape(like, jax.random.key(0))
    model = _filled(skeleton, arrays)
    readout = Readout(arrays["readout.order"], arrays["readout.gain"])
    if readout.order.dtype.kind != "i" or sorted(readout.order.tolist()) != list(range(n_sources)):
        raise StorageError("the order of the sources is no permutation")
    if not readout.gain.all():
        raise StorageError("the gain of a source is zero")
    mask = arrays["seen"].astype(bool) if "seen" in arrays else None
    times, _, _ = normalised_times(arrays.get("times"), n_samples)
    posterior, as_trained = None, bool(arrays.get("as_trained", False))
    if settings.uncertainty == "laplace":
        with numerics():
            kind = _kind_of_cross_talk(settings)
            cross_talk = kind(*(jnp.asarray(arrays[f"cross_talk.{name}"]) for name in CROSS_TALK[kind]))
            mode, nu = (jnp.asarray(arrays[f"posterior.{name}"]) for name in POSTERIOR)
            posterior = Posterior(mode, nu, cross_talk)
    kept = (settings, normaliser, model, readout, arrays["regression"], seed, mask, times, posterior, as_trained)
    return Separation(*kept)


def _filled(skeleton: Model, arrays: Arrays) -> Model:
    """The skeleton with every leaf from ``arrays``, of just its shape and type."""
    leaves, names = [], _named_leaves(skeleton)
    if {name for name in arrays if name.startswith("model")} != {f"model{name}" for name, _ in names}:
        raise StorageError("the parts of the model are not those the settings ask for")
    for name, expected in names:
        leaf = arrays[f"model{name}"]
        if leaf.shape != expected.shape or leaf.dtype != expected.dtype:
            raise StorageError(f"model{name} is {leaf.dtype}{leaf.shape} and not {expected.dtype}{expected.shape}")
        leaves.append(jnp.asarray(leaf))
    return jax.tree.unflatten(jax.tree.structure(skeleton), leaves)


def _named_leaves(model: Model) -> list[tuple[str, Any]]:
    leaves = jax.tree_util.tree_leaves_with_path(model)
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in leaves]


def _parameters(estimator: StrADiff) -> dict[str, Any]:
    """Constructor arguments; a random state that is no number has done its work and is left out."""
    kept = {name: value for name, value in estimator.get_params(deep=False).items() if name not in NOT_KEPT}
    if not isinstance(kept["random_state"], int | np.integer | None):
        kept["random_state"] = None
    return kept


def _plain(value: object) -> object:
    """NumPy's scalars and arrays as JSON's numbers and lists."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written")


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
