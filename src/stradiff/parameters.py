"""Records of parameters that say of each what it may be and why its default is what it is.

Every part of a configuration is a frozen dataclass derived from :class:`Parameters`. Its fields are made by
:func:`parameter`, so that one mechanism validates them, prints them as a call that can be pasted back, and lists the
defaults with their reasons. scikit-learn sees them as nested parameters (``training__max_epochs``).
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, dataclass_transform

from sklearn.utils import check_random_state

from stradiff.errors import OptionError, shortened

Record = TypeVar("Record", bound="Parameters")


@dataclasses.dataclass(frozen=True)
class Constraint:
    """What a value may be: a test, and the end of the sentence "NAME=VALUE must be ..."."""

    text: str
    holds: Callable[[Any], bool]
    convert: Callable[[Any], Any] = lambda value: value
    """Makes equal values the same value, such as 0 and 0.0."""

    def __or__(self, other: Constraint) -> Constraint:
        return Constraint(f"{self.text}, or {other.text}", lambda value: self.holds(value) or other.holds(value))

    def check(self, name: str, value: Any) -> None:
        """:class:`OptionError` for a value that is not allowed."""
        if not self.holds(value):
            raise OptionError(f"{name}={shortened(value)} must be {self.text}.")


def is_count(value: Any) -> bool:
    """Whether a value is a whole number, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def choice(*names: str) -> Constraint:
    """One of the names."""
    return Constraint(f"one of {', '.join(map(repr, names))}", lambda value: isinstance(value, str) and value in names)


def count(least: int) -> Constraint:
    """A whole number from ``least`` on."""
    return Constraint(f"a whole number of at least {least}", lambda value: is_count(value) and value >= least)


def per_source(each: Constraint) -> Constraint:
    """One value, or a tuple of one for each source."""

    def holds(value: Any) -> bool:
        return all(map(each.holds, value)) and len(value) > 0 if isinstance(value, tuple) else each.holds(value)

    def convert(value: Any) -> Any:
        return tuple(map(each.convert, value)) if isinstance(value, tuple) else each.convert(value)

    return Constraint(f"{each.text}, or one for each source", holds, convert)


def instance(kind: type | tuple[type, ...], text: str) -> Constraint:
    """An object of a class, or of one of several."""
    return Constraint(text, lambda value: isinstance(value, kind))


POSITIVE = Constraint("a finite number above 0", lambda value: _is_finite(value) and value > 0, float)
NON_NEGATIVE = Constraint("a finite number, 0 or above", lambda value: _is_finite(value) and value >= 0, float)
FLAG = Constraint("True or False", lambda value: isinstance(value, bool))


def parameter(default: Any, allowed: Constraint, reason: str, read: Callable[[Any], Any] = lambda value: value) -> Any:
    """A field with its default, what it may be, and why the default is what it is.

    ``read`` makes of what is given, such as a name or a table, the object that it stands for.
    """
    return dataclasses.field(default=default, metadata={"allowed": allowed, "reason": reason, "read": read})


@dataclass_transform(frozen_default=True)  # without field specifiers: every parameter(...) is a default
class Parameters:
    """Base of all parts of a configuration: immutable, comparable, hashable.

    A subclass is a frozen dataclass by itself. None stands for "the preset's value" wherever a field allows no None of
    its own; :meth:`over` fills it in.
    """

    __no_type_check__ = True  # annotations are those of values that have been read; constraints check what is given

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclasses.dataclass(frozen=True, repr=False)(cls)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = field.metadata.get("read", plain)(plain(getattr(self, field.name)))
            allowed = field.metadata.get("allowed")
            if allowed is not None and not (value is None and field.default is None):
                allowed.check(field.name, value)
                value = allowed.convert(value)
            object.__setattr__(self, field.name, value)

    def __repr__(self) -> str:
        given = [f"{name}={value!r}" for name, value in self.items() if value != self._defaults()[name]]
        return f"{type(self).__name__}({', '.join(given)})"

    def items(self) -> Iterator[tuple[str, Any]]:
        """Name and value of every field."""
        return ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self))  # type: ignore[arg-type]

    def __sklearn_clone__(self: Record) -> Record:
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Name and value of every field, as scikit-learn asks for them; of nested ones as ``outer__inner``."""
        params = dict(self.items())
        for name, value in self.items():
            if deep and isinstance(value, Parameters):
                params |= {f"{name}__{inner}": nested for inner, nested in value.get_params().items()}
        return params

    def replace(self: Record, **changes: Any) -> Record:
        """The same with some fields changed; :class:`OptionError` for a field that there is not."""
        known = self._defaults()
        for name in changes:
            if name not in known:
                raise OptionError(f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(known)}.")
        return dataclasses.replace(self, **{name: plain(value) for name, value in changes.items()})  # type: ignore[type-var]

    def with_nested(self: Record, changes: Mapping[str, Any]) -> Record:
        """The same with fields changed that are named as in ``{"objective__nu_y": 0.1}``."""
        changed = self
        for name, value in changes.items():
            outer, _, inner = name.partition("__")
            if inner and outer in self._defaults():
                value = changed_field(outer, getattr(changed, outer), inner, value)
            changed = changed.replace(**{outer: value})
        return changed

    def over(self: Record, base: Record) -> Record:
        """``base`` with every field that is not None here in its place."""
        return base.replace(**{name: value for name, value in self.items() if value is not None})

    @classmethod
    def reasons(cls) -> dict[str, tuple[Any, str]]:
        """Default of every field, and why it is that."""
        fields = dataclasses.fields(cls)  # type: ignore[arg-type]
        return {field.name: (field.default, field.metadata.get("reason", "")) for field in fields}

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        return {field.name: field.default for field in dataclasses.fields(cls)}  # type: ignore[arg-type]


def changed_field(name: str, record: Any, field: str, value: Any) -> Parameters:
    """The record of parameter ``name`` with a field changed, of which the name may be nested.

    Raises
    ------
    OptionError
        Where the parameter holds none, or one without that field.
    """
    if not isinstance(record, Parameters):
        raise OptionError(f"{name}={shortened(record)} has no parameter {field!r}; set {name} itself first.")
    return record.with_nested({field: value})


def plain(value: Any) -> Any:
    """NumPy's numbers and arrays, and lists, as Python's numbers and tuples."""
    if hasattr(value, "tolist") and not isinstance(value, Parameters):
        value = value.tolist()
    return tuple(map(plain, value)) if isinstance(value, list | tuple) else value


def check_seed(random_state: Any) -> int:
    """A number drawn from whatever scikit-learn takes for a random state; :class:`OptionError` otherwise."""
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except ValueError as error:
        raise OptionError(
            f"random_state={random_state!r} must be a whole number from 0 to 2**32 - 1, a RandomState or None."
        ) from error
