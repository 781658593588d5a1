"""A prior by its name, with those of the given options that it has."""

from __future__ import annotations

from dataclasses import replace

from stradiff.model.priors import prior_spec
from stradiff.model.specification import option_names


def made_prior(name, n_samples, **options):
    spec = prior_spec(name)
    if not spec.order:  # a mixture of order 0 is another prior than one with memory
        options.pop("order", None)
    return replace(spec, **{key: value for key, value in options.items() if key in option_names(spec)}).build(n_samples)
