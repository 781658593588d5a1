"""The priors there are, by name; more can be added from outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stradiff.model.priors.base import PriorSpec
from stradiff.model.priors.correlations import PARTS
from stradiff.model.priors.specifications import KERNEL, Autoregression, GaussianMixture, GaussianProcess
from stradiff.model.specification import Registry


class PriorRegistry(Registry[PriorSpec]):
    """Priors by name, sums of kernels such as "rbf+matern12" among them."""

    def specified(self, given: str | Mapping[str, Any] | PriorSpec, *also: str) -> PriorSpec:
        """See ``Registry.specified``."""
        if isinstance(given, str) and "+" in given:
            KERNEL.check(self.parameter, given)
            return GaussianProcess(given)
        return super().specified(given, *also)


PRIORS = PriorRegistry(
    "prior",
    PriorSpec,  # type: ignore[type-abstract]
    [
        *map(GaussianProcess, PARTS),
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
    """The prior that is asked for; see ``Registry.specified``."""
    return PRIORS.specified(given, *also)
