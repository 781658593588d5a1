"""The priors that the settings name."""

from __future__ import annotations

from stradiff.config import Settings
from stradiff.model.priors import PriorSet


def priors_of(settings: Settings, n_samples: int) -> PriorSet:
    """One prior for each source, at its initial values."""
    return PriorSet.of([spec.build(n_samples) for spec in settings.prior_specs], settings.prior_names)
