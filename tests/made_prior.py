"""A prior by its name, with those of the given options that it has."""

from __future__ import annotations

from stradiff.model.priors import prior_spec


def made_prior(name, n_samples, **options):
    spec = prior_spec(name)
    if not spec.order:  # a mixture of order 0 is another prior than one with memory
        options.pop("order", None)
    known = dict(spec.items())
    return spec.replace(**{option: value for option, value in options.items() if option in known}).build(n_samples)
