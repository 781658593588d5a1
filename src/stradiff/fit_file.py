"""A result on disk, as ``StrADiff.save`` writes it and ``StrADiff.load`` reads it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stradiff import serialization
from stradiff.assess.diagnostics import Finding
from stradiff.config import Configuration, Laplace, read_configuration, table_of
from stradiff.data import Normaliser
from stradiff.errors import OptionError, StorageError
from stradiff.initialise.model import random_model
from stradiff.model import Model, numerics
from stradiff.model.diffusion.networks import ConvolutionalNetwork, ReceptiveField
from stradiff.model.model import Moments
from stradiff.model.priors import PriorSpec, prior_spec
from stradiff.parameters import (
    FLAG,
    REQUIRED,
    Constraint,
    Parameters,
    choice,
    count,
    instance,
    is_count,
    parameter,
    plain,
    several,
)
from stradiff.pipeline import Result
from stradiff.posterior import Readout, Separation
from stradiff.posterior.cross_talk import CrossTalk
from stradiff.posterior.laplace import Posterior
from stradiff.posterior.nonlinear_cross_talk import NonlinearCrossTalk
from stradiff.train import TrainingResult
from stradiff.train.callbacks import History

KIND = "stradiff fit 2"
OPTIONAL = {"posterior", "mask", "times", "given_times"}
TEXT, TABLE = instance(str, "a text"), instance(Mapping, "a table")
NUMBER = Constraint(
    "a finite number",
    lambda value: isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max,
)
ABSENT = Constraint("null", lambda value: value is None)
# An array as long as the recording; a place on one machine, and what computes there: another may have less.
NOT_SAVED = ("init", "checkpoint", "device")

Restored = TypeVar("Restored")


class TrainingRecord(Parameters):
    """How training ended, in the header of a file."""

    n_epochs: int = parameter(REQUIRED, count(0), "rows of the history")
    converged: bool = parameter(REQUIRED, FLAG, "of the result")
    interrupted: bool = parameter(REQUIRED, FLAG, "of the result")
    n_devices: int = parameter(REQUIRED, count(1), "of the result")


class FindingRecord(Parameters):
    """What speaks against the answer, in the header of a file."""

    kind: str = parameter(REQUIRED, TEXT, "of the finding")
    severity: str = parameter(REQUIRED, choice("warning", "note"), "of the finding")
    sources: tuple[int, ...] = parameter(REQUIRED, several(count(0)), "of the finding")
    sentence: str = parameter(REQUIRED, TEXT, "of the finding")


class ProvenanceRecord(Parameters):
    """What else decided a result, in the header of a file (``fit_info_``)."""

    preset: str = parameter(REQUIRED, TEXT, "of the fit")
    seed: int = parameter(REQUIRED, count(0, 2**32), "of the fit")
    n_samples: int = parameter(REQUIRED, count(1), "of the recording")
    n_channels: int = parameter(REQUIRED, count(1), "of the recording")
    memory_needed: int = parameter(REQUIRED, count(0, 2**63), "as estimated")
    disk_needed: int = parameter(REQUIRED, count(0, 2**63), "as estimated")
    device: str = parameter(REQUIRED, TEXT, "of the fit")
    device_kind: str = parameter(REQUIRED, TEXT, "of the fit")
    versions: Mapping[str, str] = parameter(REQUIRED, TABLE, "of the libraries")
    n_devices: int = parameter(REQUIRED, count(1), "of the fit")
    seconds: float = parameter(REQUIRED, NUMBER, "of the fit")
    stability: tuple[float, ...] | None = parameter(None, several(NUMBER), "of several starts")
    restarts: tuple[Mapping[str, Any], ...] | None = parameter(None, several(TABLE), "of several starts")
    group: Mapping[str, Any] | None = parameter(None, TABLE, "of a recording in a group")


class EstimatorRecord(Parameters):
    """What an estimator holds beside its result, in the header of a file."""

    parameters: Mapping[str, Any] = parameter(REQUIRED, TABLE, "as tables")
    span: float = parameter(REQUIRED, NUMBER, "of the recording")
    feature_names: tuple[str, ...] | None = parameter(REQUIRED, several(TEXT) | ABSENT, "of the channels")


def _rows(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A reader of every row of a sequence; what is no sequence is left as it is."""
    return lambda rows: tuple(map(read, rows)) if isinstance(rows, tuple) else rows


def _provenance(table: Any) -> Any:
    """The table as it is, where it is one."""
    ProvenanceRecord(**table)
    return table


class Header(Parameters):
    """All of a saved fit but its arrays; a field of another type is refused, as a truth value for a number."""

    configuration: Configuration = parameter(
        REQUIRED, instance(Configuration, "a table"), "complete", read_configuration
    )
    priors: tuple[PriorSpec, ...] = parameter(
        REQUIRED, several(instance(PriorSpec, "a prior")), "as selected", _rows(prior_spec)
    )
    reach: tuple[int, int] | None = parameter(REQUIRED, several(count(1), 2) | ABSENT, "of a convolutional network")
    moments: bool = parameter(REQUIRED, FLAG, "whether the recording was one of several")
    as_trained: bool = parameter(REQUIRED, FLAG, "of the separation")
    seed: int = parameter(REQUIRED, count(0, 2**32), "of the separation")
    shape: tuple[int, ...] = parameter(REQUIRED, several(count(1), 4), "samples, sources, channels, normalised ones")
    dtype: str = parameter(REQUIRED, choice("float32", "float64"), "of the sources")
    n_functions: int = parameter(REQUIRED, count(0), "of the uncertainty of a nonlinear mixing")
    paths: tuple[int, ...] = parameter(REQUIRED, several(count(0)), "epochs of which there are paths")
    optional: tuple[str, ...] = parameter(REQUIRED, several(choice(*sorted(OPTIONAL))), "arrays that may be absent")
    training: TrainingRecord = parameter(
        REQUIRED, instance(TrainingRecord, "a table"), "how it ended", lambda table: TrainingRecord(**table)
    )
    findings: tuple[FindingRecord, ...] = parameter(
        REQUIRED,
        several(instance(FindingRecord, "a table")),
        "about the result",
        _rows(lambda row: FindingRecord(**row)),
    )
    info: Mapping[str, Any] = parameter(REQUIRED, TABLE, "what else decided the result", _provenance)
    extra: EstimatorRecord = parameter(
        REQUIRED, instance(EstimatorRecord, "a table"), "of the estimator", lambda table: EstimatorRecord(**table)
    )


def held_by_estimator(
    parameters: Mapping[str, Any], times: np.ndarray | None, span: float, feature_names: np.ndarray | None
) -> dict[str, Any]:
    """What ``load`` needs beside the result; a random state that is no number has done its work and is left out."""
    tables = {name: table_of(plain(value)) for name, value in parameters.items() if name not in NOT_SAVED}
    if not is_count(tables["random_state"]):
        tables["random_state"] = None
    if isinstance(tables.get("training"), dict):
        tables["training"].pop("callbacks", None)
    names = None if feature_names is None else list(feature_names)
    return {"parameters": tables, "times": times, "span": span, "feature_names": names}


def save(result: Result, extra: dict[str, Any], path: Path) -> None:
    """Write a result, and what else its estimator holds, whole or not at all.

    Parameters
    ----------
    extra : as ``held_by_estimator`` gives it.

    Raises
    ------
    StorageError
        For a result with numbers that are not finite, or a place that cannot be written.
    """
    tree = _tree(result, extra["times"])
    arrays = serialization.arrays_of(tree)
    if wrong := serialization.not_finite(arrays):
        raise StorageError(
            f"{path} is not written: {wrong} of this fit is not finite; fit again with a lower learning_rate."
        )
    separation, training = result.separation, result.training
    network, model = separation.model.branches.network, separation.model
    header = {
        "configuration": table_of(separation.settings),
        "priors": [prior.as_dict() for prior in _priors(separation)],
        "reach": [network.stride, len(network.weights)] if isinstance(network, ConvolutionalNetwork) else None,
        "moments": model.moments is not None,
        "as_trained": separation.as_trained,
        "seed": separation.seed,
        "shape": [*result.sources.shape, *separation.normaliser.matrix.shape],
        "dtype": str(result.sources.dtype),
        "n_functions": _n_functions(separation.posterior),
        "paths": sorted(training.paths),
        "optional": sorted(tree.keys() & OPTIONAL),
        "training": {name: getattr(training, name) for name in ("n_epochs", "converged", "interrupted", "n_devices")},
        "findings": [finding.plain() for finding in result.findings],
        "info": result.info,
        "extra": {name: value for name, value in extra.items() if name != "times"},
    }
    serialization.write(path, KIND, header, arrays)


def load(path: Path, restore: Callable[[Result, dict[str, Any]], Restored]) -> Restored:
    """What ``restore`` makes of the result and the extras that ``save`` wrote.

    Raises
    ------
    StorageError
        For a file that is no fit, is damaged, or needs a map or a prior that is not registered.
    """
    table, arrays = serialization.read(path, KIND, "a fit saved with StrADiff.save")
    if wrong := serialization.not_finite(arrays):
        raise StorageError(f"{path} holds what is no fit: {wrong} is not an array of finite numbers.")
    try:
        table.pop("kind")
        return restore(*_restored(Header(**table), arrays))
    except OptionError as error:
        raise StorageError(f"{path} cannot be read in this session: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = error.args[0] if error.args else type(error).__name__
        raise StorageError(f"{path} holds what this version does not know ({reason}); save the fit again.") from error


def _priors(separation: Separation) -> list[PriorSpec]:
    """Those asked for, with their parameters; selected ones have the parameters that their names stand for."""
    asked = separation.settings.prior
    return list(asked if isinstance(asked, tuple) else map(prior_spec, separation.model.priors.names))


def _tree(result: Result, given_times: np.ndarray | None) -> dict[str, Any]:
    """Every array of a result."""
    separation, training = result.separation, result.training
    tree = {
        "model": separation.model,
        "normaliser": vars(separation.normaliser),
        "readout": vars(separation.readout),
        "regression": np.asarray(separation.regression, np.float64),  # Monte Carlo means are in single precision
        "sources": result.sources,
        "sources_std": result.sources_std,
        "history": training.history,
        "paths": {str(epoch): path for epoch, path in training.paths.items()},
        "posterior": separation.posterior,
        "mask": separation.mask,
        "times": separation.times,
        "given_times": None if given_times is None else np.asarray(given_times, np.float64),
    }
    return {name: value for name, value in tree.items() if value is not None}


def _like(header: Header) -> dict[str, Any]:
    """The shapes of that tree."""
    config, (n_samples, n_sources, n_channels, n_normalised) = header.configuration, header.shape
    n_epochs, double, own = header.training.n_epochs, np.dtype(np.float64), np.dtype(header.dtype)

    def array(*shape: int, dtype: np.dtype = double) -> np.ndarray:
        return np.broadcast_to(np.zeros((), dtype), shape)

    path = array(config.diffusion.n_steps + 1, n_samples, n_sources, dtype=np.dtype(np.float32))
    like: dict[str, Any] = {
        "model": _model_like(header, n_samples, n_normalised),
        "normaliser": {
            "mean": array(n_channels),
            "matrix": array(n_channels, n_normalised),
            "inverse_matrix": array(n_normalised, n_channels),
        },
        "readout": {"order": array(n_sources, dtype=np.dtype(np.int64)), "gain": array(n_sources)},
        "regression": array(n_sources, n_normalised),
        "sources": array(n_samples, n_sources, dtype=own),
        "sources_std": array(n_samples, n_sources, dtype=own),
        "history": {name: array(n_epochs, *rows.shape[1:]) for name, rows in History(n_sources).as_dict().items()},
        "paths": {str(epoch): path for epoch in header.paths},
        "posterior": _posterior_like(config, n_samples, n_sources, header.n_functions),
        "mask": array(n_samples, n_channels, dtype=np.dtype(bool)),
        "times": array(n_samples),
        "given_times": array(n_samples),
    }
    absent = OPTIONAL.difference(header.optional)
    return {name: value for name, value in like.items() if name not in absent}


def _model_like(header: Header, n_samples: int, n_normalised: int) -> Model:
    config, reach = header.configuration, None if header.reach is None else ReceptiveField(*header.reach)
    selected = config.replace(prior=header.priors)

    def model(key: jax.Array) -> Model:
        built = random_model(n_samples, n_normalised, selected, key, reach)
        if not header.moments:
            return built
        row = jnp.zeros(config.n_sources, jnp.float32)  # the recording was one of several
        return dataclasses.replace(built, moments=Moments(row, row))

    with numerics():
        return eqx.filter_eval_shape(model, jax.random.key(0))


def _posterior_like(config: Configuration, n_samples: int, n_sources: int, n_functions: int) -> Posterior:
    def posterior() -> Posterior:
        mode, n_coefficients = jnp.zeros((n_sources, n_samples)), n_sources * n_functions + 1
        if config.mixing.is_linear:
            return Posterior(mode, jnp.zeros(()), CrossTalk(jnp.zeros((n_sources, n_sources, 2, 2))))
        exponents, each = jnp.zeros((n_functions, n_sources), jnp.int64), jnp.zeros(n_sources)
        factor = jnp.zeros((n_sources, n_functions, n_coefficients))
        return Posterior(mode, jnp.zeros(()), NonlinearCrossTalk(exponents, each, each, factor))

    with numerics():
        return eqx.filter_eval_shape(posterior)


def _n_functions(posterior: Posterior | None) -> int:
    """Polynomials of a nonlinear mixing's uncertainty; 0 of a linear one's."""
    return 0 if posterior is None else len(getattr(posterior.cross_talk, "exponents", ()))


def _restored(header: Header, arrays: serialization.Arrays) -> tuple[Result, dict[str, Any]]:
    config = header.configuration
    if isinstance(config.uncertainty, Laplace) != ("posterior" in header.optional):
        raise StorageError("the posterior is missing or unknown")
    if arrays["['sources']"].shape != header.shape[:2]:  # before anything is built of that size
        raise StorageError("the sources have another shape")
    with numerics():
        tree = serialization.filled(_like(header), arrays)
    readout, names = Readout(**tree["readout"]), header.extra.feature_names
    if sorted(readout.order.tolist()) != list(range(config.n_sources)):
        raise StorageError("the order of the sources is no permutation")
    if not readout.gain.all():
        raise StorageError("the gain of a source is zero")
    if names is not None and len(names) != len(tree["normaliser"]["mean"]):
        raise StorageError("there are names of other channels")
    separation = Separation(
        config,
        Normaliser(**tree["normaliser"]),
        tree["model"],
        readout,
        tree["regression"],
        header.seed,
        tree.get("mask"),
        tree.get("times"),
        tree.get("posterior"),
        header.as_trained,
    )
    paths = {int(epoch): path for epoch, path in tree["paths"].items()}
    training = TrainingResult(tree["model"], tree["history"], paths, **dict(header.training.items()))
    findings = tuple(Finding(**dict(one.items())) for one in header.findings)
    result = Result(separation, training, tree["sources"], tree["sources_std"], findings, dict(header.info))
    return result, dict(header.extra.items()) | {"times": tree.get("given_times")}
