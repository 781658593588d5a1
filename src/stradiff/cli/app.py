"""The commands put together, and what becomes of their errors."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from stradiff.cli.compare import compare
from stradiff.cli.console import INTERRUPTED, Interrupted, fail
from stradiff.cli.demo import demo
from stradiff.cli.inspect import info, report
from stradiff.cli.separate import separate
from stradiff.cli.simulate import simulate
from stradiff.errors import StrADiffError

app = typer.Typer(
    name="stradiff",
    help="Blind source separation: find the sources behind a recording of several channels.\n\n"
    "Try [bold]stradiff demo linear[/bold] first; then "
    "[bold]stradiff separate RECORDING -n 3 --out results[/bold].",
    epilog="Exit codes: 0 done; 2 wrong input or option, with one sentence that says what; 130 interrupted "
    "before there was a result; 143 and 129 ended by SIGTERM and SIGHUP; 1 a fault of the program.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (separate, demo, compare, simulate, report, info):
    app.command()(command)


def _print_version(wanted: bool | None) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"stradiff {version('stradiff')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool | None,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop."),
    ] = None,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 done; 1 a fault of the program, with its traceback; 2 wrong input or option, in one sentence; 130
    interrupted.
    With ``--json`` the error, too, is one JSON object on the standard output.
    """
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    as_json = "--json" in given
    try:
        code = app(args=given, prog_name="stradiff", standalone_mode=False)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Interrupted as error:
        return fail("Interrupted", str(error), INTERRUPTED, as_json)
    except StrADiffError as error:
        return fail(type(error).__name__, str(error), 2, as_json)
    except Exception as error:
        if hasattr(error, "format_message"):  # the option parser, in whichever package it lives
            return fail("UsageError", _usage(error), 2, as_json)
        traceback.print_exc()
        sentence = f"Unexpected failure: {error}. Please report it together with the lines above."
        return fail(type(error).__name__, sentence, 1, as_json)
    if code == INTERRUPTED:
        return fail("Interrupted", "Interrupted before there was a result.", INTERRUPTED, as_json)
    return code if isinstance(code, int) else 0


def _usage(error: Exception) -> str:
    """The parser's complaint, with the way to the help of the command it is about."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "stradiff"
    return f"{getattr(error, 'format_message')().rstrip('.')}; see {path} --help."  # noqa: B009
