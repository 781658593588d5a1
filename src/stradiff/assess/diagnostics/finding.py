"""One thing a user must know before building on an answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Finding:
    """What was found, about which sources, and what to do.

    Attributes
    ----------
    kind : str
        A name for programs: ``"ending"``, ``"alike"``, ``"collapsed"``, ``"duplicated"``, ``"few-excursions"``,
        ``"short-record"``, ``"misfit"``, ``"linear-suffices"`` or ``"unstable"``.
    severity : {"warning", "note"}
        Whether the sources concerned may be wrong, or something is worth knowing.
    sources : tuple of int
        Columns of ``sources_``, from 0; empty when all are concerned.
    sentence : str
    """

    kind: str
    severity: str
    sources: tuple[int, ...]
    sentence: str

    def plain(self) -> dict[str, Any]:
        """The same as built-in types that JSON knows."""
        return dataclasses.asdict(self) | {"sources": list(self.sources)}


def named(sources: Sequence[int]) -> str:
    """Sources by the names people read.

    >>> named([0, 2, 3])
    'sources 1, 3 and 4'
    """
    numbers = [str(k + 1) for k in sources]
    if len(numbers) == 1:
        return f"source {numbers[0]}"
    return f"sources {', '.join(numbers[:-1])} and {numbers[-1]}"


def sentence_about(sources: Sequence[int]) -> str:
    """The same at the beginning of a sentence."""
    return named(sources).capitalize()


def percent(share: float) -> str:
    """A share to two digits, never more precise than it is, and as people write it.

    >>> percent(0.9991), percent(0.05123), percent(1e-6)
    ('100 %', '5.1 %', '0.0001 %')
    """
    rounded = f"{float(f'{100 * share:.2g}'):f}"
    return f"{rounded.rstrip('0').rstrip('.')} %"
