"""Sixty-four channels of half an hour at 250 Hz, twenty sources in them."""

from __future__ import annotations

from scaling import fits
from scaling.one_process import Row

LIMIT = fits.LIMIT


def cases(quick: bool) -> list[Row]:
    """The one recording; a small one to see that it runs."""
    small, whole = {"T": 30_000, "n": 5, "m": 16}, {"T": 450_000, "n": 20, "m": 64}
    return [{"mixing": "linear", **(small if quick else whole)}]


def measured(case: Row) -> Row:
    """As any other fit."""
    return fits.measured(case)
