"""A map or a prior before it is built: what the user asks for, by which reports, files and other sessions know it."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from stradiff.errors import OptionError, shortened
from stradiff.parameters import Parameters

Kind = TypeVar("Kind", bound="Specification")


class Specification(Parameters, abc.ABC):
    """Parameters with a name and a label; a subclass has them as class attributes or properties."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The word that stands for it in options, tables and files."""

    @property
    @abc.abstractmethod
    def label(self) -> str:
        """What it is, as a phrase in the sentence of a report."""

    def given(self) -> dict[str, Any]:
        """Its parameters, but for those left to the preset."""
        return {name: value for name, value in self.items() if value is not None}

    def filled(self: Kind, values: Mapping[str, Any]) -> Kind:
        """The same with those of the values that are its parameters and left to the preset."""
        return self.replace(**{name: values[name] for name, value in self.items() if value is None and name in values})

    def as_dict(self) -> dict[str, Any]:
        """Its name and its parameters, as JSON holds them; ``Registry.specified`` is the inverse."""
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in self.items()}
        return {"name": self.name, **values}


class Registry(dict[str, Kind]):
    """Specifications by name.

    Parameters
    ----------
    parameter : the estimator's parameter that takes them; ``stradiff.register_<parameter>`` adds others.
    base : the class of all of them.
    known : those of the package.
    """

    def __init__(self, parameter: str, base: type[Kind], known: Iterable[Kind]) -> None:
        super().__init__({one.name: one for one in known})
        self.parameter, self.base = parameter, base

    def register(self, specification: Kind) -> None:
        """Add one under its own name, in place of an earlier one; :class:`OptionError` where that cannot be."""
        if not isinstance(specification, self.base):
            raise OptionError(
                f"{shortened(specification)} is no {self.base.__name__}; register an instance of a subclass."
            )
        name = specification.name
        if not isinstance(name, str) or not name.isidentifier() or name == "auto":
            raise OptionError(
                f"The name of a {self.parameter} is made of letters, digits and underscores; {shortened(name)} cannot "
                "be one."
            )
        self[name] = specification

    def specified(self, given: str | Mapping[str, Any] | Kind, *also: str) -> Kind:
        """The specification of a name, that whose ``as_dict`` is given, or the given one itself.

        :class:`OptionError` for a name that is unknown here, whose message lists the names and ``also``; for parameters
        that are wrong; for an object of a class that is not registered, which no other session could name.
        """
        if isinstance(given, Mapping):
            name = given.get("name", "")
            values = {key: value for key, value in given.items() if key != "name"}
            return self.specified("" if isinstance(name, Mapping) else name).with_table(values)
        if isinstance(given, self.base):
            if type(given) not in map(type, self.values()):
                raise OptionError(
                    f"{shortened(given)} is not registered; give it to stradiff.register_{self.parameter} first."
                )
            return given
        if not isinstance(given, str) or given not in self:
            raise OptionError(
                f"{self.parameter}={shortened(given)} does not exist; choose one of {', '.join([*self, *also])}, "
                f"or add it with stradiff.register_{self.parameter}."
            )
        return self[given]
