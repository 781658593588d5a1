"""The priors there are, by name; more can be added from outside."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from stradiff.errors import OptionError
from stradiff.model.priors.base import Prior
from stradiff.model.priors.gaussian_process import GaussianProcess
from stradiff.model.priors.kernels import KERNELS


@dataclasses.dataclass(frozen=True)
class PriorSettings:
    """What the maker of one source's prior is told.

    Parameters
    ----------
    n_samples : length T of the record.
    length_scale : where the length-scale starts, in units of the record.
    sigma_f, jitter : scale of the source and variance of the white noise on it (Eq. 18); learned when the flags say so.
    solver : {"auto", "fast", "dense"}, how a Gaussian process is computed.
    """

    n_samples: int
    length_scale: float = 0.05
    sigma_f: float = 1.0
    jitter: float = 1e-3
    learn_sigma_f: bool = False
    learn_jitter: bool = False
    solver: str = "auto"


Factory = Callable[[PriorSettings], Prior]


def _gaussian_process(kernel: str) -> Factory:
    def make(settings: PriorSettings) -> Prior:
        return GaussianProcess(
            settings.length_scale,
            kernel=kernel,
            sigma_f=settings.sigma_f,
            jitter=settings.jitter,
            learn_sigma_f=settings.learn_sigma_f,
            learn_jitter=settings.learn_jitter,
            solver=settings.solver,
        )

    return make


PRIORS: dict[str, Factory] = {kernel: _gaussian_process(kernel) for kernel in KERNELS}


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
    if not isinstance(name, str) or not name.isidentifier():
        raise OptionError(f"The name of a prior is made of letters, digits and underscores; {name!r} is not.")
    if not callable(factory):
        raise OptionError(f"The factory of prior {name!r} must be a function of one PriorSettings; it is {factory!r}.")
    PRIORS[name] = factory


def make_prior(name: str, settings: PriorSettings) -> Prior:
    """The prior of one source.

    Raises
    ------
    OptionError
        When no prior of that name is known.
    """
    check_known(name)
    return PRIORS[name](settings)


def check_known(name: object) -> None:
    """Raise OptionError for a name that no prior has."""
    if not isinstance(name, str) or name not in PRIORS:
        known = ", ".join(PRIORS)
        raise OptionError(
            f"prior={name!r} does not exist; choose one of {known}, or add it with stradiff.register_prior."
        )
