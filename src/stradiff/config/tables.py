"""Configurations as tables of plain values, as TOML and JSON hold them, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from stradiff.config.configuration import NESTED, Configuration
from stradiff.config.parts import UNCERTAINTIES, read_checkpoint
from stradiff.model.specification import Specification
from stradiff.parameters import Parameters, changed_field, instance


def flat_parameters(config: Configuration) -> dict[str, Any]:
    """Every parameter, nested ones by their own names."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        flat |= dict(value.items()) if name in NESTED else {name: value}
    return flat


def read_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of an estimator, of which some may be tables, as objects."""
    return {
        name: _readers()[name](value) if isinstance(value, Mapping | list) and name in _readers() else value
        for name, value in parameters.items()
    }


def read_configuration(parameters: Any) -> Configuration:
    """The configuration of its parameters, of which some may be names or tables, as ``table_of`` writes them.

    Raises
    ------
    OptionError
    """
    instance(Mapping, "a table of parameters").check("configuration", parameters)
    known = _readers()
    return Configuration(**{name: known[name](value) if name in known else value for name, value in parameters.items()})


def with_field(name: str, value: Any, field: str, new: Any) -> Parameters:
    """The object that a parameter of an estimator stands for, with a field changed, as in ``mixing__width``.

    Raises
    ------
    OptionError
        Where it stands for none, or for one without that field.
    """
    return changed_field(name, _readers()[name](value) if name in _readers() else value, field, new)


def _readers() -> dict[str, Callable[[Any], Any]]:
    """What makes of a parameter the object that it stands for."""
    fields = dataclasses.fields(Configuration)  # type: ignore[arg-type]
    return {"checkpoint": read_checkpoint} | {field.name: field.metadata["read"] for field in fields}


def table_of(value: Any) -> Any:
    """A configuration as tables, lists and plain values, as TOML and JSON hold them; what is None is left out."""
    if isinstance(value, Parameters):
        names: dict[type, str] = {type(kind): name for name, kind in UNCERTAINTIES.items()}
        name = value.name if isinstance(value, Specification) else names.get(type(value))
        named = {} if name is None else {"name": name}
        return named | {field: table_of(item) for field, item in value.items() if item is not None}
    return [table_of(item) for item in value] if isinstance(value, tuple | list) else value
