"""Missing values: NaN that marks a value that was not observed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stradiff.errors import InputError, OptionError, shortened

MISSING_MODES = ("refuse", "mask")
MIN_SHARE = 0.1  # of a channel's values; with fewer, the result reflects the model and not the recording


def check_missing(missing: Any) -> bool:
    """Whether NaN may mark a missing value: ``missing="mask"``; ``"refuse"`` rejects it."""
    if not isinstance(missing, str) or missing not in MISSING_MODES:
        raise OptionError(f"missing={missing!r} does not exist; choose one of {', '.join(MISSING_MODES)}.")
    return missing == "mask"


def observed_mask(values: np.ndarray) -> np.ndarray | None:
    """``(T, m)`` True where a value was observed; None where nothing is missing."""
    missing = np.isnan(values)
    return ~missing if missing.any() else None


def check_enough_values(mask: np.ndarray, names: Sequence[str]) -> None:
    """Reject channels with too few values, alone or in common with another channel.

    ``mask (T, m)``. Every channel needs a tenth of its values, and every pair ``m + 1`` common rows, the fewest from
    which ``m`` channels can turn out to be independent.
    """
    n_samples, n_channels = mask.shape
    as_numbers = mask.astype(np.float64)  # the product of these is fast, and exact
    n_common = (as_numbers.T @ as_numbers).astype(np.int64)
    n_values = np.diag(n_common)
    j = int(np.argmin(n_values))
    if n_values[j] == 0:
        raise InputError(f"Channel {shortened(names[j])} has no value at all; leave it out.")
    if n_values[j] < max(2, MIN_SHARE * n_samples):
        raise InputError(
            f"Channel {shortened(names[j])} has only {n_values[j]} of {n_samples} values, and at least a tenth is "
            "needed; leave it out."
        )
    i, j = divmod(int(np.argmin(n_common)), n_channels)
    if n_common[i, j] < min(n_channels + 1, n_samples):
        raise InputError(
            f"Channels {shortened(names[i])} and {shortened(names[j])} have values together in only "
            f"{n_common[i, j]} rows, and at least {n_channels + 1} are needed; leave one of them out."
        )


def interpolated(values: np.ndarray, mask: np.ndarray | None, times: np.ndarray | None = None) -> np.ndarray:
    """The recording with its gaps filled by linear interpolation, constant before the first and after the last value.

    Parameters
    ----------
    values : ndarray, shape (T, m)
        Values outside the mask are ignored.
    mask : ndarray of bool, shape (T, m), or None
        True where observed, at least once per channel; None returns ``values`` unchanged.
    times : ndarray, shape (T,), optional
        Increasing; a regular grid by default.

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
    for channel, observed in zip(filled.T, mask.T, strict=True):
        channel[~observed] = np.interp(grid[~observed], grid[observed], channel[observed])
    return filled


def with_gaps(
    values: np.ndarray, fraction: float, gap_length: int = 1, *, whole_rows: bool = False, seed: int = 0
) -> np.ndarray:
    """A copy of a recording with NaN in randomly placed gaps.

    Gaps of one channel never touch, so that each is ``gap_length`` long; the first and the last sample stay.

    Parameters
    ----------
    values : array, shape (T, m)
    fraction : float
        Share of every channel's values to remove, from 0 to 0.5; at least one gap where it is above 0.
    gap_length : int
        In samples.
    whole_rows : bool
        Whether all channels have the same gaps.
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
    n_inner = n_samples - n_gaps * gap_length - 2  # remaining samples between the first and the last one
    if not 0 <= fraction <= 0.5 or gap_length < 1 or n_inner < n_gaps - 1:
        raise OptionError(
            f"fraction={fraction!r} and gap_length={gap_length!r} must leave half of the {n_samples} samples, "
            "and at least one between two gaps."
        )
    rng = np.random.default_rng(seed)
    for column in [slice(None)] if whole_rows else range(n_channels):
        # Each gap precedes a different remaining sample (stars and bars).
        following = np.sort(rng.choice(n_inner + 1, n_gaps, replace=False)) + 1
        starts = following + gap_length * np.arange(n_gaps)
        values[(starts[:, None] + np.arange(gap_length)).ravel(), column] = np.nan
    return values
