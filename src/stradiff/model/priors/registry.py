"""The priors there are, by name; more can be added from outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stradiff.errors import OptionError
from stradiff.model.priors.base import PriorSpec
from stradiff.model.priors.correlations import PARTS
from stradiff.model.priors.specifications import Autoregression, GaussianMixture, GaussianProcess, kernel_or_sum
from stradiff.model.specification import Registry, from_dict

PRIORS: Registry[PriorSpec] = Registry(
    "prior",
    PriorSpec,
    [
        *(GaussianProcess(kernel=kernel) for kernel in PARTS),
        Autoregression(innovations="laplace"),
        Autoregression(innovations="student"),
        GaussianMixture(),
        GaussianMixture(order=4),
        Autoregression(),
    ],
)


def register_prior(specification: PriorSpec) -> None:
    """Make a prior known, so that its name, and any other instance of its class, is a value of ``prior``.

    Parameters
    ----------
    specification : what the name stands for; an earlier prior of that name is replaced.

    Raises
    ------
    OptionError
        For what is no ``PriorSpec``, or has a name that is none.
    """
    PRIORS.register(specification)


def prior_spec(given: str | Mapping[str, Any] | PriorSpec, *also: str) -> PriorSpec:
    """The prior that is asked for: by its name, as ``PriorSpec.as_dict`` writes it, or as it is.

    ``also`` are other words that an error offers.

    Raises
    ------
    OptionError
        For a name that is unknown here, or fields that are wrong.
    """
    if isinstance(given, PriorSpec):
        return PRIORS.check_registered(given)
    if isinstance(given, Mapping):
        return from_dict(prior_spec(given.get("name")), given)
    if isinstance(given, str) and "+" in given:
        if problem := kernel_or_sum(given):
            raise OptionError(f"prior={given!r} {problem}.")
        return GaussianProcess(kernel=given)
    return PRIORS.named(given, *also)
