"""Estimators and configurations in one line: fields of nested records by their own names.

``estimator(3, max_epochs=5, nu_y=0.1)`` is ``StrADiff(3, training=Training(max_epochs=5),
objective=Objective(nu_y=0.1))``.
"""

from __future__ import annotations

from typing import Any

from stradiff import StrADiff
from stradiff.config import (
    Checkpoint,
    Configuration,
    Diffusion,
    Objective,
    Training,
    read_prior,
    read_uncertainty,
    resolve,
)
from stradiff.model.mixing import mixing_spec
from stradiff.model.priors import PriorSpec

RECORDS = {"diffusion": Diffusion(), "objective": Objective(), "training": Training()}
OF_MAP = {"mixing_width": "width", "mixing_depth": "depth", "mixing_knots": "knots"}
OF_PRIOR = ("length_scale", "sigma_f", "jitter", "learn_sigma_f", "learn_jitter", "solver", "order")


def estimator(n_components: Any = None, **parameters: Any) -> StrADiff:
    """An estimator; fields of its nested records, its map and its priors by their own names."""
    checkpoint, seconds = parameters.pop("checkpoint", None), parameters.pop("checkpoint_seconds", None)
    if checkpoint is not None:
        checkpoint = checkpoint if seconds is None else Checkpoint(str(checkpoint), seconds)
    return StrADiff(n_components, checkpoint=checkpoint, **nested(parameters))


def nested(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters of ``StrADiff``, of fields by their own names."""
    given, records = dict(parameters), {}
    for name, record in RECORDS.items():
        fields = {field: given.pop(field) for field, _ in record.items() if field in given}
        if fields:
            records[name] = given.get(name, record).replace(**fields)
    if (draws := given.pop("n_draws", None)) is not None:
        records["uncertainty"] = read_uncertainty(given.get("uncertainty", "laplace")).replace(n_draws=draws)
    if options := {field: given.pop(name) for name, field in OF_MAP.items() if name in given}:
        records["mixing"] = mixing_spec(given.get("mixing", "mlp")).replace(**options)
    if options := {name: given.pop(name) for name in OF_PRIOR if name in given}:
        records["prior"] = prior_with(given.get("prior", "rbf"), options)
    return given | records


def prior_with(prior: Any, options: dict[str, Any]) -> Any:
    """One prior, or several, with those of the options that it has; an option may be a tuple of one for each source."""
    several = [value for value in options.values() if isinstance(value, tuple)]
    if several and not isinstance(prior, list | tuple):
        prior = (prior,) * len(several[0])
    specs = read_prior(prior)

    def changed(spec: PriorSpec, k: int) -> PriorSpec:
        own = dict(spec.items())
        values = {name: value[k] if isinstance(value, tuple) else value for name, value in options.items()}
        return spec.replace(**{name: value for name, value in values.items() if name in own})

    return tuple(map(changed, specs, range(len(specs)))) if isinstance(specs, tuple) else changed(specs, 0)


def configuration(preset: str = "paper", **parameters: Any) -> Configuration:
    """A complete configuration: the preset's, changed."""
    return resolve(preset, Configuration(**nested(parameters)))


def changed(base: Configuration, **parameters: Any) -> Configuration:
    """A complete configuration, changed."""
    current = {"diffusion": base.diffusion, "objective": base.objective, "training": base.training}
    given = {name: record for name, record in nested({**current, **parameters}).items()}
    priors = read_prior(given.get("prior", base.prior))
    n_sources = given.get("n_sources", base.n_sources)
    return base.replace(**given | {"prior": (priors,) * n_sources if isinstance(priors, PriorSpec) else priors})
