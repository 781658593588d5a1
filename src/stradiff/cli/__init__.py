"""The command ``stradiff``: a thin shell that reads, calls and writes; all else is in the package."""

from stradiff.cli.app import main
from stradiff.cli.entry import run

__all__ = ["main", "run"]
