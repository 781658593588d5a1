"""``python -m stradiff``: the command line where the script ``stradiff`` is not on the path."""

import sys

from stradiff.cli import run

if __name__ == "__main__":
    sys.exit(run())
