"""What the command line prints: words and tables for people, one JSON object for programs, or nothing."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import typer

from stradiff.cli.spelling import spelled_as_options

INTERRUPTED = 130  # the exit code of a process that Ctrl-C has ended
WRAPPED = "each source"  # the one column that grows with the number of sources


class Interrupted(Exception):
    """Ctrl-C, where there is more to say about it than that: what is left, and how to go on."""


@dataclass(frozen=True)
class Console:
    """Where a command's output goes.

    Attributes
    ----------
    json
        One JSON object on the standard output and nothing else.
    quiet
        Nothing but errors.
    """

    json: bool = False
    quiet: bool = False

    @property
    def for_people(self) -> bool:
        """Whether the output is text for people."""
        return not (self.json or self.quiet)

    def say(self, text: str = "") -> None:
        """Print a line for people."""
        if self.for_people:
            typer.echo(text)

    def progress(self, text: str) -> None:
        """Print what is being done on the error stream, where that is a terminal."""
        if self.for_people and sys.stderr.isatty():
            typer.echo(text, err=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table for people: the first column left, numbers right."""
        if not self.for_people:
            return
        from rich import box
        from rich.console import Console as Terminal
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        for position, column in enumerate(columns):
            table.add_column(column, justify="right" if position else "left", no_wrap=column != WRAPPED)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))  # as text: a name in [brackets] is no style
        Terminal(soft_wrap=False).print(table)

    def result(self, data: dict[str, Any]) -> None:
        """Print the result for programs."""
        if self.json:
            typer.echo(json.dumps(data, ensure_ascii=False, allow_nan=False, indent=2))

    @contextmanager
    def notes(self) -> Iterator[None]:
        """Turn warnings raised inside into single lines on the standard error, each said once."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        self.remark(dict.fromkeys(str(warning.message) for warning in caught))

    def remark(self, sentences: Iterable[str]) -> None:
        """Print lines beside the results, on the standard error."""
        if self.for_people:
            for sentence in sentences:
                typer.echo(f"Note: {spelled_as_options(sentence)}", err=True)


def fail(kind: str, message: str, code: int, as_json: bool) -> int:
    """Say what went wrong, as a line on stderr or as JSON on stdout, and return the exit code."""
    message = spelled_as_options(" ".join(message.split()))
    if as_json:
        typer.echo(json.dumps({"error": {"type": kind, "message": message, "exit_code": code}}, ensure_ascii=False))
    else:
        print(f"stradiff: {message}", file=sys.stderr)
    return code
