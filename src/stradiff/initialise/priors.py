"""The priors that the settings name."""

from __future__ import annotations

import dataclasses

import numpy as np

from stradiff.config import Settings
from stradiff.model.priors import PriorSet, PriorSettings, make_prior

LENGTH_SCALE = 0.05  # of the record, until the prior is tuned


def priors_of(settings: Settings, n_samples: int) -> PriorSet:
    """One prior for each source, at its initial values."""
    scales = np.broadcast_to(np.asarray(settings.length_scale_init or LENGTH_SCALE), (settings.n_sources,))
    shared = {field.name: getattr(settings, field.name) for field in dataclasses.fields(PriorSettings)[2:]}
    every = [PriorSettings(n_samples, float(scale), **shared) for scale in scales]
    priors = [make_prior(name, one) for name, one in zip(settings.prior_names, every, strict=True)]
    return PriorSet.of(priors, settings.prior_names)
