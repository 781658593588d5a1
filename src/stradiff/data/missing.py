"""Missing samples: NaN that stands for "not seen" instead of for a mistake."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stradiff.errors import InputError, OptionError

MISSING_MODES = ("refuse", "mask")
LEAST_SHARE = 0.1  # of a channel's values: with fewer, most of what comes out is the model's and not the recording's


def check_missing(missing: Any) -> bool:
    """Whether NaN may stand for a missing sample: ``missing="mask"``; ``"refuse"`` refuses it."""
    if not isinstance(missing, str) or missing not in MISSING_MODES:
        raise OptionError(f"missing={missing!r} does not exist; choose one of {', '.join(MISSING_MODES)}.")
    return missing == "mask"


def observed_mask(values: np.ndarray) -> np.ndarray | None:
    """``(T, m)`` True where there is a value, or None where nothing is missing."""
    missing = np.isnan(values)
    return ~missing if missing.any() else None


def check_enough_seen(mask: np.ndarray, names: Sequence[str]) -> None:
    """Refuse channels that are hardly ever seen, or never together: nothing could be said about their sources.

    ``mask (T, m)``. Every channel needs a tenth of its values, and every pair ``m + 1`` common rows, the fewest from
    which ``m`` channels can turn out to be independent.
    """
    n_samples, n_channels = mask.shape
    together = mask.astype(np.int64).T @ mask
    each = np.diag(together)
    j = int(np.argmin(each))
    if each[j] == 0:
        raise InputError(f"Channel {names[j]!r} has no value at all; leave it out.")
    if each[j] < max(2, LEAST_SHARE * n_samples):
        raise InputError(
            f"Channel {names[j]!r} has only {each[j]} of {n_samples} values, and at least a tenth is needed; leave it "
            "out, or choose a stretch of the recording where it was seen."
        )
    i, j = divmod(int(np.argmin(together)), n_channels)
    if together[i, j] < min(n_channels + 1, n_samples):
        raise InputError(
            f"Channels {names[i]!r} and {names[j]!r} were seen together in only {together[i, j]} rows, and at least "
            f"{n_channels + 1} are needed; leave one of them out."
        )


def interpolated(values: np.ndarray, mask: np.ndarray | None, times: np.ndarray | None = None) -> np.ndarray:
    """The recording with straight lines through its gaps, and the nearest value beyond the first and the last one.

    Parameters
    ----------
    values : ndarray, shape (T, m)
        What stands where nothing was seen does not matter.
    seen : ndarray of bool, shape (T, m), or None
        Every channel is seen at least once; None returns ``values`` themselves.
    times : ndarray, shape (T,), optional
        Increasing; a regular grid when left out.

    Examples
    --------
    >>> Y = np.array([[0.0], [np.nan], [2.0], [np.nan]])
    >>> interpolated(Y, observed_mask(Y)).ravel()
    array([0., 1., 2., 2.])
    """
    if mask is None:
        return values
    grid = np.arange(len(values)) if times is None else times
    filled = values.copy()
    for channel, there in zip(filled.T, mask.T, strict=True):
        channel[~there] = np.interp(grid[~there], grid[there], channel[there])
    return filled


def with_gaps(
    values: np.ndarray, fraction: float, gap_length: int = 1, *, whole_rows: bool = False, seed: int = 0
) -> np.ndarray:
    """A copy of a recording with NaN in randomly placed gaps, to try out what fills them.

    Gaps of one channel never touch, so that each is ``gap_length`` long, and the first and the last sample stay.

    Parameters
    ----------
    values : array, shape (T, m)
    fraction : float
        Share of every channel's values to take away, from 0 to 0.5; one gap at least where it is above 0.
    gap_length : int
        Samples a gap is long.
    whole_rows : bool
        The same gaps in all channels, instead of gaps of their own in each.
    seed : int

    Examples
    --------
    >>> gappy = with_gaps(np.ones((100, 2)), 0.2, gap_length=5, seed=0)
    >>> np.isnan(gappy).sum(axis=0)
    array([20, 20])
    """
    values = np.array(values, dtype=float)
    n_samples, n_channels = values.shape
    n_gaps = max(1, round(fraction * n_samples / max(1, gap_length))) if fraction else 0
    room = n_samples - n_gaps * gap_length - 2  # seen samples between the first and the last one
    if not 0 <= fraction <= 0.5 or gap_length < 1 or room < n_gaps - 1:
        raise OptionError(
            f"fraction={fraction!r} and gap_length={gap_length!r} must leave half of the {n_samples} samples, "
            "and at least one between two gaps."
        )
    rng = np.random.default_rng(seed)
    columns = [slice(None)] if whole_rows else range(n_channels)
    for column in columns:
        # Each gap stands before one of the seen samples, no two before the same: stars and bars.
        before = np.sort(rng.choice(room + 1, n_gaps, replace=False)) + 1
        starts = before + gap_length * np.arange(n_gaps)
        values[(starts[:, None] + np.arange(gap_length)).ravel(), column] = np.nan
    return values
