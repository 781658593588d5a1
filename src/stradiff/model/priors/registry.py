"""The priors there are, by name; more can be added from outside."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from stradiff.errors import OptionError, shortened
from stradiff.model.names import check_entry
from stradiff.model.priors.autoregression import Autoregression
from stradiff.model.priors.base import Prior
from stradiff.model.priors.correlations import Correlation, LocallyPeriodic, Periodic, Plain, SpectralMixture, Sum
from stradiff.model.priors.driven_autoregression import DrivenAutoregression
from stradiff.model.priors.gaussian_process import GaussianProcess
from stradiff.model.priors.innovations import Innovation, SmoothLaplace, Student
from stradiff.model.priors.kernels import KERNELS
from stradiff.model.priors.mixture import Mixture
from stradiff.model.priors.stationary import StationaryProcess

PEAKS = 3  # of a spectral mixture: more are seldom told apart in a record
COMPONENTS = 4  # of a mixture: three modes and a floor under them, or one mode with heavy tails
MOST_PARTS = 3  # of a sum: every start of one is tried with every start of the others


@dataclasses.dataclass(frozen=True)
class PriorSettings:
    """What the maker of one source's prior is told.

    Parameters
    ----------
    n_samples : length T of the record.
    length_scale : where the length-scale starts, in units of the record.
    sigma_f, jitter : scale of the source and variance of the white noise on it (Eq. 18); learned when the flags say so.
    solver : {"auto", "fast", "dense"}, how a Gaussian process is computed.
    ar_order : order p of an autoregression.
    """

    n_samples: int
    length_scale: float = 0.05
    sigma_f: float = 1.0
    jitter: float = 1e-3
    learn_sigma_f: bool = False
    learn_jitter: bool = False
    solver: str = "auto"
    ar_order: int = 4


Factory = Callable[[PriorSettings], Prior]


def _gaussian_process(kernel: str) -> Factory:
    def make(settings: PriorSettings) -> Prior:
        levels = _levels(settings)
        return GaussianProcess(settings.length_scale, kernel=kernel, **levels, solver=settings.solver)

    return make


def _plain(kernel: str) -> Callable[[PriorSettings], Correlation]:
    return lambda settings: Plain(_logarithm(settings.length_scale), kernel)


def _periodic(settings: PriorSettings) -> Periodic:
    return Periodic(jnp.asarray(1.0 / settings.length_scale, jnp.float32), jnp.zeros((), jnp.float32))


def _locally_periodic(settings: PriorSettings) -> LocallyPeriodic:
    return LocallyPeriodic(_periodic(settings), Plain(_logarithm(5.0 * settings.length_scale), "rbf"))


def _spectral_mixture(settings: PriorSettings) -> SpectralMixture:
    frequency = jnp.arange(PEAKS, dtype=jnp.float32) / (PEAKS * settings.length_scale)
    reach = jnp.full(PEAKS, _logarithm(settings.length_scale))
    return SpectralMixture(jnp.zeros(PEAKS, jnp.float32), frequency, reach)


def _autoregression(settings: PriorSettings) -> Prior:
    return Autoregression(settings.ar_order, settings.n_samples, **_levels(settings))


def _levels(settings: PriorSettings) -> dict[str, Any]:
    names = ("sigma_f", "jitter", "learn_sigma_f", "learn_jitter")
    return {name: getattr(settings, name) for name in names}


def _logarithm(value: float) -> Array:
    return jnp.log(jnp.asarray(value, jnp.float32))


PARTS: dict[str, Callable[[PriorSettings], Correlation]] = {
    **{kernel: _plain(kernel) for kernel in KERNELS},
    "periodic": _periodic,
    "locally_periodic": _locally_periodic,
    "spectral_mixture": _spectral_mixture,
}
"""What a sum such as "rbf+matern12" can be made of."""


def _stationary(name: str) -> Factory:
    """A process whose correlation is a part, or the sum of several."""

    def make(settings: PriorSettings) -> Prior:
        parts = tuple(PARTS[part](settings) for part in name.split("+"))
        whole = parts[0] if len(parts) == 1 else Sum(parts, jnp.zeros(len(parts), jnp.float32))
        return StationaryProcess(whole, **_levels(settings), solver=settings.solver)

    return make


def _driven(innovation: Callable[[float], Innovation]) -> Factory:
    return lambda settings: DrivenAutoregression(innovation(settings.sigma_f), settings.ar_order, settings.n_samples)


def _independent_mixture(settings: PriorSettings) -> Mixture:
    return Mixture(COMPONENTS, 0, settings.n_samples, settings.sigma_f)


def _mixture_with_memory(settings: PriorSettings) -> Mixture:
    return Mixture(COMPONENTS, settings.ar_order, settings.n_samples, settings.sigma_f)


PRIORS: dict[str, Factory] = {
    **{kernel: _gaussian_process(kernel) for kernel in KERNELS},
    **{part: _stationary(part) for part in PARTS if part not in KERNELS},
    "ar_laplace": _driven(SmoothLaplace),
    "ar_student": _driven(Student),
    "gmm": _independent_mixture,
    "gmm_ar": _mixture_with_memory,
    "ar": _autoregression,
}


def register_prior(name: str, factory: Factory) -> None:
    """Make a prior known by ``name``, so that ``StrADiff(prior=name)`` uses it.

    Parameters
    ----------
    name : letters, digits and underscores; an earlier prior of that name is replaced.
    factory : called with a ``PriorSettings`` once per source, gives a ``Prior``.

    Raises
    ------
    OptionError
        For a name that could not be told from a list or a sum of names, or a factory that cannot be called.
    """
    check_entry("prior", name, factory, "one PriorSettings")
    PRIORS[name] = factory


def make_prior(name: str, settings: PriorSettings) -> Prior:
    """The prior of one source.

    Raises
    ------
    OptionError
        When no prior of that name is known.
    """
    check_known(name)
    return (_stationary(name) if "+" in name else PRIORS[name])(settings)


def check_known(name: object, *also: str) -> None:
    """Raise OptionError for a name that no prior has; ``also`` are other words that could have stood there."""
    parts = name.split("+") if isinstance(name, str) else []
    if len(parts) > 1:
        if len(parts) > MOST_PARTS or not set(parts) <= set(PARTS):
            raise OptionError(
                f"prior={name!r} is no sum of 2 to {MOST_PARTS} of {', '.join(PARTS)}; others cannot be added up."
            )
    elif name not in parts or name not in PRIORS:
        known = ", ".join([*PRIORS, *also])
        raise OptionError(
            f"prior={shortened(name)} does not exist; choose one of {known}, or add it with stradiff.register_prior."
        )
