"""Results in pages: each between two comments of a page, so that they cannot go stale unseen."""

from __future__ import annotations

import re
from collections.abc import Callable

NOT_RUN = "*Not measured yet.*"


def filled(page: str, kind: str, text_of: Callable[[str], str]) -> str:
    """``page`` with ``text_of(NAME)`` between ``<!-- kind: NAME -->`` and ``<!-- end of kind -->``, wherever it is."""
    block = re.compile(rf"<!-- {kind}: (\w+) -->\n.*?<!-- end of {kind} -->", re.DOTALL)

    def fill(match: re.Match[str]) -> str:
        return f"<!-- {kind}: {match[1]} -->\n\n{text_of(match[1])}\n\n<!-- end of {kind} -->"

    return block.sub(fill, page)
