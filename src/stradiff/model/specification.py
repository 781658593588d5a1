"""What a user describes before it exists, such as a map or a prior: checked, compared by value, printed as its call."""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar, dataclass_transform

from stradiff.errors import OptionError, shortened

Constraint = Callable[[Any], str | None]
"""What a value must be, where it is not; None where it is."""


def positive(value: Any) -> str | None:
    """A finite number above zero."""
    return None if _is_finite(value) and value > 0 else "must be a finite number above 0"


def not_negative(value: Any) -> str | None:
    """A finite number, zero included."""
    return None if _is_finite(value) and value >= 0 else "must be a finite number 0 or above"


def count(value: Any, least: int = 1) -> str | None:
    """A whole number of at least ``least``."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return None if whole and value >= least else f"must be a whole number of at least {least}"


def flag(value: Any) -> str | None:
    """True or False."""
    return None if isinstance(value, bool) else "must be True or False"


def one_of(*choices: str) -> Constraint:
    """One of these words."""
    return lambda value: (
        None if isinstance(value, str) and value in choices else f"does not exist; choose one of {', '.join(choices)}"
    )


def optional(constraint: Constraint) -> Constraint:
    """None, or what the constraint allows."""
    return lambda value: None if value is None else constraint(value)


@dataclass_transform(frozen_default=True)
class Specification(abc.ABC):
    """A frozen dataclass, as is every subclass: fields with defaults and nothing else.

    Raises
    ------
    OptionError
        For a field that breaks its entry of ``constraints``.
    """

    constraints: ClassVar[Mapping[str, Constraint]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclasses.dataclass(frozen=True, repr=False)(cls)

    def __post_init__(self) -> None:
        for name, constraint in self.constraints.items():
            value = getattr(self, name)
            if problem := constraint(value):
                raise OptionError(f"{name}={shortened(value)} of {type(self).__name__} {problem}.")

    def __repr__(self) -> str:
        fields = {field: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        changed = [f"{field.name}={value!r}" for field, value in fields.items() if value != field.default]
        return f"{type(self).__name__}({', '.join(changed)})"

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The word that stands for it in options, tables and files."""

    @property
    @abc.abstractmethod
    def label(self) -> str:
        """What it is, as a phrase in the sentence of a report."""

    def as_dict(self) -> dict[str, Any]:
        """Its name and its fields, as JSON holds them."""
        values = {field: getattr(self, field) for field in option_names(self)}
        return {"name": self.name} | {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


Kind = TypeVar("Kind", bound=Specification)


class Registry(dict[str, Kind]):
    """Specifications by name.

    Parameters
    ----------
    parameter : the estimator's parameter that takes them; they are added with ``stradiff.register_<parameter>``.
    base : the class of all of them.
    known : those of the package.
    """

    def __init__(self, parameter: str, base: type[Kind], known: list[Kind]) -> None:
        super().__init__({one.name: one for one in known})
        self.parameter, self.base = parameter, base

    def register(self, specification: Kind) -> None:
        """Add one under its own name, in place of an earlier one; :class:`OptionError` where that cannot be."""
        if not isinstance(specification, self.base):
            raise OptionError(f"{specification!r} is no {self.base.__name__}; register an instance of a subclass.")
        name = specification.name
        if not isinstance(name, str) or not name.isidentifier() or name == "auto":
            raise OptionError(
                f"The name of a {self.parameter} is made of letters, digits and underscores; {name!r} cannot be one."
            )
        self[name] = specification

    def named(self, name: Any, *also: str) -> Kind:
        """That of a name, with its defaults; :class:`OptionError`, which lists the names and ``also``, for others."""
        if not isinstance(name, str) or name not in self:
            raise OptionError(
                f"{self.parameter}={shortened(name)} does not exist; choose one of {', '.join([*self, *also])}, "
                f"or add it with stradiff.register_{self.parameter}."
            )
        return self[name]

    def check_registered(self, specification: Kind) -> Kind:
        """The same; :class:`OptionError` where none of its class is known, which no saved fit could name."""
        if type(specification) not in map(type, self.values()):
            raise OptionError(
                f"{specification!r} is not registered; call stradiff.register_{self.parameter} with it first."
            )
        return specification


def option_names(specification: Specification) -> tuple[str, ...]:
    """Names of the fields that can be given."""
    return tuple(field.name for field in dataclasses.fields(specification) if field.init)  # type: ignore[arg-type]


def from_dict(named: Kind, fields: Mapping[str, Any]) -> Kind:
    """The specification whose ``as_dict`` is ``fields``; ``named`` is any of that name."""
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items() if k != "name"}
    if unknown := set(values) - set(option_names(named)):
        raise OptionError(f"{type(named).__name__} has no field {min(unknown)!r}; it has {option_names(named)}.")
    return dataclasses.replace(named, **values)  # type: ignore[type-var]


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
