"""``python -m stradiff``: the command line where the script ``stradiff`` is not on the path."""

import sys

from stradiff.cli import main

if __name__ == "__main__":
    sys.exit(main())
