"""The priors of all sources at their initial values."""

from __future__ import annotations

from collections.abc import Sequence

from stradiff.model.priors import PriorSet, PriorSpec


def build_priors(specs: Sequence[PriorSpec], n_samples: int) -> PriorSet:
    """The prior of every source of ``n_samples``, at its initial values."""
    return PriorSet.of([spec.build(n_samples) for spec in specs], [spec.name for spec in specs])
