"""``pace.plain`` but for the prior, which is the library's: what the other optimisations are worth alone."""

from __future__ import annotations

from functools import partial

from pace import plain

prepare = partial(plain.prepare, solver="auto")
