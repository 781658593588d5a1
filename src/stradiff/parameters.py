"""Records of parameters that say of each what it may be and why its default is what it is.

Every part of a configuration is a frozen dataclass derived from :class:`Parameters`. Its fields are made by
:func:`parameter`, so that one mechanism validates them, prints them as a call that can be pasted back, and lists the
defaults with their reasons. scikit-learn sees them as nested parameters (``training__max_epochs``).
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from numbers import Number
from pathlib import Path
from typing import Any, TypeVar, dataclass_transform

import numpy as np
from sklearn.utils import check_random_state

from stradiff.errors import OptionError, shortened

Record = TypeVar("Record", bound="Parameters")

LARGEST_COUNT = 10**9  # what is counted is held in 32 bits somewhere; memory and patience end before
RANGE = (1e-30, 1e30)  # of numbers above 0: in single precision their products with data neither vanish nor overflow
LONGEST_NAME, LONGEST_PATH = (
    200,
    4000,
)  # bytes; systems take 255 and 4096, and names are made longer for temporary files
REQUIRED = dataclasses.MISSING
"""Default of a parameter without one."""


@dataclasses.dataclass(frozen=True)
class Constraint:
    """What a value may be: a test, and the end of the sentence "NAME=VALUE must be ..."."""

    text: str
    holds: Callable[[Any], bool]
    convert: Callable[[Any], Any] = lambda value: value
    """Makes equal values the same value, such as 0 and 0.0."""

    def __or__(self, other: Constraint) -> Constraint:
        return Constraint(
            f"{self.text}, or {other.text}",
            lambda value: self.holds(value) or other.holds(value),
            lambda value: (self if self.holds(value) else other).convert(value),
        )

    def check(self, name: str, value: Any) -> None:
        """:class:`OptionError` for a value that is not allowed."""
        if not self.holds(value):
            raise OptionError(f"{name}={shortened(value)} must be {self.text}.")


def is_count(value: Any) -> bool:
    """Whether a value is a whole number, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any, least: float) -> bool:
    """Whether a value is a number from ``least`` to the end of the range."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= RANGE[1]


def choice(*names: str) -> Constraint:
    """One of the names."""
    return Constraint(f"one of {', '.join(map(repr, names))}", lambda value: isinstance(value, str) and value in names)


def count(least: int, most: int = LARGEST_COUNT) -> Constraint:
    """A whole number from ``least`` to ``most``."""
    return Constraint(
        f"a whole number of at least {least} and at most {most:,}",
        lambda value: is_count(value) and least <= value <= most,
        int,
    )


def per_source(each: Constraint) -> Constraint:
    """One value, or a tuple of one for each source."""

    def holds(value: Any) -> bool:
        return all(map(each.holds, value)) and len(value) > 0 if isinstance(value, tuple) else each.holds(value)

    def convert(value: Any) -> Any:
        return tuple(map(each.convert, value)) if isinstance(value, tuple) else each.convert(value)

    return Constraint(f"{each.text}, or one for each source", holds, convert)


def several(each: Constraint, n: int | None = None) -> Constraint:
    """A sequence of values, all of one kind; of ``n`` of them where that is given."""

    def holds(value: Any) -> bool:
        return isinstance(value, tuple) and n in (None, len(value)) and all(map(each.holds, value))

    number = "a sequence" if n is None else f"a sequence of {n}"
    return Constraint(f"{number}, each of them {each.text}", holds, lambda value: tuple(map(each.convert, value)))


def instance(kind: type | tuple[type, ...], text: str) -> Constraint:
    """An object of a class, or of one of several."""
    return Constraint(text, lambda value: isinstance(value, kind))


def _is_path(value: Any) -> bool:
    """Whether a value is a path that a system can have; whether it can be written there is seen when it is."""
    if not isinstance(value, str | Path) or not str(value):
        return False
    try:
        parts = [os.fsencode(part) for part in Path(value).parts]
    except UnicodeEncodeError:
        return False
    return (
        max(map(len, parts), default=0) <= LONGEST_NAME
        and len(b"/".join(parts)) <= LONGEST_PATH
        and b"\0" not in b"".join(parts)
    )


POSITIVE = Constraint(
    f"a finite number above 0, from {RANGE[0]:g} to {RANGE[1]:g}", lambda value: _is_number(value, RANGE[0]), float
)
NON_NEGATIVE = Constraint(
    f"a finite number, 0 or above, up to {RANGE[1]:g}", lambda value: _is_number(value, 0.0), float
)
FLAG = Constraint("True or False", lambda value: isinstance(value, bool))
PATH = Constraint(f"the path of a file, with names of at most {LONGEST_NAME} bytes", _is_path, str)
SEED = Constraint(
    "a whole number from 0 to 2**32 - 1, a RandomState or None",
    lambda value: value is None or isinstance(value, np.random.RandomState) or (is_count(value) and 0 <= value < 2**32),
)


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
        return self.with_table(changes)

    def with_table(self: Record, changes: Mapping[Any, Any]) -> Record:
        """The same with the fields of a table changed; :class:`OptionError` for a key that is no field."""
        known = self._defaults()
        for name in changes:
            if not isinstance(name, str) or name not in known:
                kind = type(self).__name__
                raise OptionError(f"{kind} has no parameter {shortened(name)}; it has {', '.join(known)}.")
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


def plain(value: Any, depth: int = 3) -> Any:
    """Lists, and other libraries' numbers and arrays, as Python's numbers and tuples, where those are equal.

    What is nested more deeply than parameters are, as a list that holds itself, is left as it is.
    """
    if hasattr(type(value), "__array__"):
        value = np.asarray(value).tolist()
    if isinstance(value, list | tuple):
        return tuple(plain(item, depth - 1) for item in value) if depth else value
    is_other = isinstance(value, Number) and not isinstance(value, int | float | complex)
    return _equal_number(value) if is_other else value


def _equal_number(value: Any) -> Any:
    """Python's number that equals a decimal, a fraction or an extended float; the value itself where none does."""
    try:
        number = float(value)
        if number != value:
            return value
    except (TypeError, ValueError, ArithmeticError):
        return value
    return int(number) if number.is_integer() and not isinstance(value, np.floating) else number


def check_seed(random_state: Any) -> int:
    """A number drawn from a random state; :class:`OptionError` for what is none."""
    state = plain(random_state)
    SEED.check("random_state", state)
    return int(check_random_state(state).randint(2**31 - 1))
