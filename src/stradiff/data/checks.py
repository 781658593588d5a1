"""Checks of observations before any computation; each error is one sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real
from os import PathLike, fspath
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from stradiff.data.missing import check_enough_values, check_missing, observed_mask
from stradiff.errors import InputError, NotANumberError, OptionError, shortened

# Largest magnitude of a value, and inverse of the smallest range of a channel: squares, and their sums over any
# recording that fits in memory, neither overflow nor underflow.
_LIMIT = {np.dtype(np.float32): 1e30, np.dtype(np.float64): 1e140}

RowLabel = Callable[[int], str]
"""Describes a sample in a message: a row of an array, or a line of a file."""


def array_row(row: int) -> str:
    """Label of a sample in an array."""
    return f"row {row} (counted from 0)"


def check_observations(
    values: Any,
    *,
    channel_names: Sequence[str] | None = None,
    min_samples: int = 2,
    allow_constant: bool = False,
    missing: str | None = None,
    row_label: RowLabel = array_row,
) -> np.ndarray:
    """Observations as a float array; :class:`InputError` where they are unusable.

    float32 and float64, rows one after the other, are returned without a copy; float16 becomes float32; integers and
    other floats become float64. Booleans are rejected: they are usually labels and not signals.

    Parameters
    ----------
    values : array-like, shape (T, m)
        Rows are samples, columns are channels.
    channel_names : sequence of str, optional
        Names used in messages; by default ``channel 1``, ``channel 2``, ...
    min_samples : int
        2 for fitting; 1 for observations passed through a fitted map.
    allow_constant : bool
        Whether a channel may be constant (not for fitting).
    missing : {"refuse", "mask"}, optional
        ``"mask"``: NaN, None and masked samples are missing values, returned as NaN. ``"refuse"``: they are rejected
        with a hint at ``"mask"``. None: they are rejected without it, for callers that do not support missing values.
    row_label : callable
        Describes a row in messages.

    Returns
    -------
    ndarray, shape (T, m)
        Native float32 or float64.

    Raises
    ------
    InputError
        Not a table of numbers, too few samples, no channel, NaN or inf, a constant channel, or magnitudes at which
        a variance overflows or underflows.

    Examples
    --------
    >>> check_observations([[1, 2], [3, 5]]).dtype
    dtype('float64')
    """
    may_miss = missing is not None and check_missing(missing)
    _reject_paths_and_recordings(values)
    array = as_float_array(values, row_label, missing=missing)
    if array.ndim != 2:
        raise InputError(
            f"The observations must be 2-D, (samples, channels), but have shape {array.shape}. "
            "Reshape your data with values.reshape(-1, 1) if they are one channel."
        )
    n_samples, n_channels = array.shape
    if n_channels == 0:  # the wording that scikit-learn's checks expect
        raise InputError(
            f"The observations have no channel: 0 feature(s) (shape={array.shape}) while a minimum of 1 is required."
        )
    names = check_channel_names(channel_names, n_channels)
    if n_samples < min_samples:
        raise InputError(
            f"The observations have n_samples = {n_samples}, but at least {min_samples} are needed; "
            "rows are samples, columns are channels."
        )
    if n_samples:
        mask = observed_mask(array) if may_miss else None
        if mask is not None and min_samples > 1:  # for fitting only
            check_enough_values(mask, names)
        _check_finite(array, names, row_label, missing)
        _check_range(array, names, allow_constant)
    return array


def refuse_transposed(values: np.ndarray) -> None:
    """:class:`InputError` for a recording ``(T, m)`` of fewer samples than channels."""
    n_samples, n_channels = values.shape
    if n_samples < n_channels:
        raise InputError(
            f"The observations are {n_samples} samples of {n_channels} channels, and rows must be samples; transpose "
            "them, fit(Y.T), or if there are no more samples, give wide=True or a DataFrame whose columns have names."
        )


def _reject_paths_and_recordings(values: Any) -> None:
    if isinstance(values, str | PathLike):
        raise InputError(
            f"The observations are the path {shortened(fspath(values))}, not numbers; read it with "
            "stradiff.read_recording and pass its .values."
        )
    if hasattr(values, "values") and hasattr(values, "channel_names"):
        raise InputError(
            f"The observations are a {type(values).__name__}, not an array; pass its .values, and times=.times where "
            "it has times."
        )


def as_float_array(
    values: Any, row_label: RowLabel = array_row, subject: str = "observations", *, missing: str | None = None
) -> np.ndarray:
    """Native float32 or float64 array of any shape; :class:`InputError`, about its ``subject``, for non-numbers."""
    if missing == "mask" and isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.promote_types(values.dtype, np.float32)), np.nan)
    if values is None:
        raise InputError(f"There are no {subject}: None was given; pass an array of numbers (samples, channels).")
    if sparse.issparse(values):
        raise InputError(f"The {subject} are a sparse matrix; pass a dense array, such as values.toarray().")
    if np.ma.is_masked(values):
        hint = "use missing='mask', or " if missing else ""
        raise InputError(f"The {subject} have masked samples; {hint}interpolate them, or keep the rows without any.")
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InputError(f"The {subject} are not a table: their rows differ in length or kind.") from error
    match array.dtype.kind:
        case "f" if array.dtype.itemsize <= 4:
            return _one_layout(array.astype(np.float32, copy=False))
        case "f" | "i" | "u":
            return _one_layout(array.astype(np.float64, copy=False))
        case "c":
            raise InputError("Complex data not supported; separate the real part or the magnitude instead.")
        case "b":
            raise InputError(f"The {subject} are True and False; use values.astype(float) if they are a signal.")
        case "O":
            return _floats_of_objects(array, row_label, missing == "mask")
    raise InputError(f"The {subject} are of type {array.dtype}, not numbers; keep the numeric columns only.")


def _one_layout(array: np.ndarray) -> np.ndarray:
    """The same in rows one after the other: in which order sums are taken, and so their last bits, follow memory."""
    return np.require(array, requirements=["C_CONTIGUOUS", "ALIGNED"])


def check_channel_names(names: Sequence[str] | None, n_channels: int) -> tuple[str, ...]:
    """One unique string per channel; by default ``channel 1``, ``channel 2``, ..."""
    if names is None or (not isinstance(names, str) and len(names) == 0):
        return tuple(f"channel {j + 1}" for j in range(n_channels))
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InputError(f"channel_names must be a list of {n_channels} strings, one for each channel.")
    if len(names) != n_channels:
        raise InputError(f"channel_names has {len(names)} names, but there are {n_channels} channels.")
    check_text("".join(names), "channel_names")
    positions: dict[str, int] = {}
    for j, name in enumerate(names):
        if positions.setdefault(name, j) < j:
            raise InputError(
                f"Channels {positions[name] + 1} and {j + 1} are both named {shortened(name)}; rename one."
            )
    return tuple(str(name) for name in names)


def check_text(text: str, subject: str) -> str:
    """Text that every file can hold; :class:`InputError` otherwise."""
    if odd := next((letter for letter in text if letter == "\0" or "\ud800" <= letter <= "\udfff"), ""):
        raise InputError(f"{subject} have a character that files cannot hold, {odd!r}; write them without it.")
    return text


def check_times(times: Any, n_samples: int, row_label: RowLabel = array_row) -> np.ndarray:
    """Times as a strictly increasing float64 array ``(T,)``; :class:`InputError` otherwise."""
    array = as_float_array(times, row_label, "times").astype(np.float64, copy=False)
    if array.shape != (n_samples,):
        raise InputError(f"The times have shape {array.shape}, but there are {n_samples} samples.")
    unusable = ~(np.abs(array) < _LIMIT[array.dtype])
    if unusable.any():
        row = int(np.argmax(unusable))
        raise InputError(f"The time at {row_label(row)} is {array[row]:g}; give every sample a time in seconds.")
    backwards = array[1:] <= array[:-1]
    if backwards.any():
        row = int(np.argmax(backwards)) + 1
        raise InputError(
            f"The times do not increase at {row_label(row)}: {array[row]:.10g} follows {array[row - 1]:.10g}; "
            "sort the samples by time and keep one of each."
        )
    if n_samples > 1 and array[-1] - array[0] < 1 / _LIMIT[array.dtype]:
        raise InputError(f"The times span {array[-1] - array[0]:g} s only; give them in seconds.")
    return array


def check_sampling_rate(sampling_rate: Any) -> float:
    """A finite positive rate as a float; :class:`InputError` otherwise."""
    limit = _LIMIT[np.dtype(np.float64)]
    if isinstance(sampling_rate, Real) and not isinstance(sampling_rate, bool):
        rate = float(sampling_rate)
        if 1 / limit < rate < limit:
            return rate
    raise InputError(f"sampling_rate={shortened(sampling_rate)} must be a number of samples per second above 0.")


def check_count(name: str, value: Any, least: int) -> int:
    """A whole number of at least ``least``; :class:`OptionError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise OptionError(f"{name}={shortened(value)} must be a whole number of at least {least}.")
    return int(value)


def _floats_of_objects(array: np.ndarray, row_label: RowLabel, allow_missing: bool) -> np.ndarray:
    """Float64 of an object array; strings are rejected, also those that look like numbers."""
    floats = np.full(array.shape, np.nan)
    for index, cell in np.ndenumerate(array):
        if allow_missing and (cell is None or cell is pd.NA):
            continue
        try:
            if isinstance(cell, str | bytes | bool | np.bool_):
                raise ValueError
            floats[index] = float(cell)
        except (TypeError, ValueError, OverflowError) as error:
            label = row_label(index[0]) if index else "the only cell"
            sentence = f"{shortened(cell)} at {label} is not a number; keep numbers only"
            if isinstance(error, TypeError):  # the wording and type that scikit-learn's checks expect
                raise NotANumberError(
                    f"{sentence}: an argument must be no string and no object but a number."
                ) from error
            raise InputError(f"{sentence}.") from error
    return floats


def _check_finite(array: np.ndarray, names: Sequence[str], row_label: RowLabel, missing: str | None) -> None:
    finite = np.isfinite(array)
    if missing == "mask":
        finite |= np.isnan(array)
    if finite.all():
        return
    row, channel = divmod(int(np.argmin(finite)), array.shape[1])
    value = "NaN" if np.isnan(array[row, channel]) else "inf"
    hint = "use missing='mask' if NaN means a missing value, or " if missing and value == "NaN" else ""
    raise InputError(
        f"Channel {shortened(names[channel])} holds {value}, first at {row_label(row)}; {hint}"
        f"interpolate or leave out what is not finite ({finite.size - np.count_nonzero(finite)} in all)."
    )


def _check_range(array: np.ndarray, names: Sequence[str], allow_constant: bool) -> None:
    """Every channel varies, and the square of its range is a finite number above zero."""
    limit = _LIMIT[array.dtype]
    low, high = np.fmin.reduce(array, axis=0), np.fmax.reduce(array, axis=0)  # these ignore NaN
    magnitude = np.nan_to_num(np.maximum(np.abs(low), np.abs(high)))
    j = int(np.argmax(magnitude))
    if magnitude[j] > limit:
        raise InputError(f"Channel {shortened(names[j])} reaches {magnitude[j]:.3g}; give it in a larger unit.")
    if allow_constant:
        return
    span = high - low
    constant = span <= 4 * np.finfo(array.dtype).eps * magnitude  # up to rounding
    if constant.any():
        j = int(np.argmax(constant))
        raise InputError(f"Channel {shortened(names[j])} is constant, {low[j]:g} everywhere; leave it out.")
    j = int(np.argmin(span))
    if span[j] < 1 / limit:
        raise InputError(f"Channel {shortened(names[j])} varies by {span[j]:.3g} only; give it in a smaller unit.")
