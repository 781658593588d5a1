"""A result on disk, as ``StrADiff.save`` writes it and ``StrADiff.load`` reads it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
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
from stradiff.pipeline import Result
from stradiff.posterior import Readout, Separation
from stradiff.posterior.cross_talk import CrossTalk
from stradiff.posterior.laplace import Posterior
from stradiff.posterior.nonlinear_cross_talk import NonlinearCrossTalk
from stradiff.train import TrainingResult
from stradiff.train.callbacks import History

KIND = "stradiff fit 2"
OPTIONAL = {"posterior", "mask", "times", "given_times"}

Restored = TypeVar("Restored")


def save(result: Result, extra: dict[str, Any], path: Path) -> None:
    """Write a result, and what else its estimator holds, whole or not at all.

    Parameters
    ----------
    extra : ``parameters`` of the estimator as tables, ``feature_names`` or None, ``times (T,)`` or None, ``span``.

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
    header, arrays = serialization.read(path, KIND, "a fit saved with StrADiff.save")
    if wrong := serialization.not_finite(arrays):
        raise StorageError(f"{path} holds what is no fit: {wrong} is not an array of finite numbers.")
    try:
        return restore(*_restored(header, arrays))
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


def _like(header: dict[str, Any], config: Configuration) -> dict[str, Any]:
    """The shapes of that tree."""
    n_samples, n_sources, n_channels, n_normalised = map(int, header["shape"])
    n_epochs = int(header["training"]["n_epochs"])
    double, own = np.dtype(np.float64), np.dtype(header["dtype"])

    def array(*shape: int, dtype: np.dtype = double) -> np.ndarray:
        return np.broadcast_to(np.zeros((), dtype), shape)

    path = array(config.diffusion.n_steps + 1, n_samples, n_sources, dtype=np.dtype(np.float32))
    like: dict[str, Any] = {
        "model": _model_like(header, config, n_samples, n_normalised),
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
        "paths": {str(int(epoch)): path for epoch in header["paths"]},
        "posterior": _posterior_like(config, n_samples, n_sources, int(header["n_functions"])),
        "mask": array(n_samples, n_channels, dtype=np.dtype(bool)),
        "times": array(n_samples),
        "given_times": array(n_samples),
    }
    absent = OPTIONAL.difference(header["optional"])
    return {name: value for name, value in like.items() if name not in absent}


def _model_like(header: dict[str, Any], config: Configuration, n_samples: int, n_normalised: int) -> Model:
    reach = None if header["reach"] is None else ReceptiveField(*map(int, header["reach"]))
    selected = config.replace(prior=tuple(map(prior_spec, header["priors"])))

    def model(key: jax.Array) -> Model:
        built = random_model(n_samples, n_normalised, selected, key, reach)
        if not header["moments"]:
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


def _restored(header: dict[str, Any], arrays: serialization.Arrays) -> tuple[Result, dict[str, Any]]:
    config = read_configuration(header["configuration"])
    if isinstance(config.uncertainty, Laplace) != ("posterior" in header["optional"]):
        raise StorageError("the posterior is missing or unknown")
    with numerics():
        tree = serialization.filled(_like(header, config), arrays)
    readout, names = Readout(**tree["readout"]), header["extra"]["feature_names"]
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
        int(header["seed"]),
        tree.get("mask"),
        tree.get("times"),
        tree.get("posterior"),
        bool(header["as_trained"]),
    )
    paths = {int(epoch): path for epoch, path in tree["paths"].items()}
    training = TrainingResult(tree["model"], tree["history"], paths, **header["training"])
    findings = tuple(Finding(**one | {"sources": tuple(one["sources"])}) for one in header["findings"])
    result = Result(separation, training, tree["sources"], tree["sources_std"], findings, header["info"])
    return result, header["extra"] | {"times": tree.get("given_times")}
