"""What observations must be before anything is computed from them; every refusal is one sentence."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from numbers import Real
from os import PathLike, fspath
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from stradiff.data.missing import check_enough_seen, check_missing, observed_mask
from stradiff.errors import InputError, NotANumberError, SeparationWarning, shortened

# Largest size of a value, and one over the smallest span of a channel. Squares and sums of squares of any
# recording that fits in memory then neither overflow nor underflow.
_LIMIT = {np.dtype(np.float32): 1e30, np.dtype(np.float64): 1e140}

Where = Callable[[int], str]
"""Names the place of a sample for the user: a row of an array, or a line of a file."""


def row_of_array(row: int) -> str:
    """The place of a sample in an array."""
    return f"row {row} (counted from 0)"


def check_observations(
    values: Any,
    *,
    channel_names: Sequence[str] | None = None,
    min_samples: int = 2,
    allow_constant: bool = False,
    missing: str | None = None,
    where: Where = row_of_array,
) -> np.ndarray:
    """Observations as a finite float array, or a sentence about what is wrong with them.

    float32 and float64 are kept and not copied; float16 becomes float32; whole numbers and other floats
    become float64. Booleans are refused: they are labels more often than signals.

    Parameters
    ----------
    values : array-like, shape (T, m)
        Rows are samples, columns are channels.
    channel_names : sequence of str, optional
        Names used in the messages; by default ``channel 1``, ``channel 2``, ...
    min_samples : int
        2 for fitting; 1 for observations that only pass through a fitted map.
    allow_constant : bool
        Whether a channel may have the same value everywhere (not for fitting).
    missing : {"refuse", "mask"}, optional
        ``"mask"``: NaN, None and masked samples stand for what was not seen, and come back as NaN. ``"refuse"``: they
        are refused with a hint at ``"mask"``. None: without, for callers that cannot do with gaps.
    where : callable
        How a message names a row.

    Returns
    -------
    ndarray, shape (T, m)
        Native float32 or float64.

    Raises
    ------
    InputError
        Not a table of numbers, too few samples, no channel, NaN or inf, a constant channel, or sizes at which
        a variance overflows or underflows.

    Examples
    --------
    >>> check_observations([[1, 2], [3, 5]]).dtype
    dtype('float64')
    """
    may_miss = missing is not None and check_missing(missing)
    _refuse_what_holds_a_table(values)
    array = as_float_array(values, where, missing=missing)
    if array.ndim != 2:
        raise InputError(
            f"The observations must be 2-D, (samples, channels), but have shape {array.shape}. "
            "Reshape your data with values.reshape(-1, 1) if they are one channel."
        )
    n_samples, n_channels = array.shape
    if n_channels == 0:  # scikit-learn's wording, which its checks look for
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
        seen = observed_mask(array) if may_miss else None
        if seen is not None and min_samples > 1:  # for fitting, and not only to pass through
            check_enough_seen(seen, names)
        _check_finite(array, names, where, missing)
        _check_spread(array, names, allow_constant)
    return array


def warn_if_transposed(values: np.ndarray) -> None:
    """Python's warning of a recording ``(T, m)`` of fewer samples than channels, said to come from whoever fits it."""
    n_samples, n_channels = values.shape
    if n_samples < n_channels:
        warnings.warn(
            f"The observations are {n_samples} samples of {n_channels} channels, and rows must be samples; transpose "
            "them if rows are channels.",
            SeparationWarning,
            stacklevel=4,
        )


def _refuse_what_holds_a_table(values: Any) -> None:
    """The natural mistakes: the name of a file, and a recording as ``read_recording`` returns it."""
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
    values: Any, where: Where = row_of_array, what: str = "observations", *, missing: str | None = None
) -> np.ndarray:
    """Native float32 or float64 array of any shape; :class:`InputError` for ``what`` are not numbers."""
    if missing == "mask" and isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.promote_types(values.dtype, np.float32)), np.nan)
    if values is None:
        raise InputError(f"There are no {what}: None was given; pass an array of numbers (samples, channels).")
    if sparse.issparse(values):
        raise InputError(f"The {what} are a sparse matrix; pass a dense array, such as values.toarray().")
    if np.ma.is_masked(values):
        hint = "use missing='mask', or " if missing else ""
        raise InputError(f"The {what} have masked samples; {hint}interpolate them, or keep the rows without any.")
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InputError(f"The {what} are not a table: their rows differ in length or kind.") from error
    match array.dtype.kind:
        case "f" if array.dtype.itemsize <= 4:
            return array.astype(np.float32, copy=False)
        case "f" | "i" | "u":
            return array.astype(np.float64, copy=False)
        case "c":
            raise InputError("Complex data not supported; separate the real part or the magnitude instead.")
        case "b":
            raise InputError(f"The {what} are True and False; use values.astype(float) if they are a signal.")
        case "O":
            return _floats_of_objects(array, where, missing == "mask")
    raise InputError(f"The {what} are of type {array.dtype}, not numbers; keep the numeric columns only.")


def check_channel_names(names: Sequence[str] | None, n_channels: int) -> tuple[str, ...]:
    """One different string per channel; ``channel 1``, ``channel 2``, ... when there are none."""
    if names is None or (not isinstance(names, str) and len(names) == 0):
        return tuple(f"channel {j + 1}" for j in range(n_channels))
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InputError(f"channel_names must be a list of {n_channels} strings, one for each channel.")
    if len(names) != n_channels:
        raise InputError(f"channel_names has {len(names)} names, but there are {n_channels} channels.")
    seen: dict[str, int] = {}
    for j, name in enumerate(names):
        if name in seen:
            raise InputError(f"Channels {seen[name] + 1} and {j + 1} are both named {name!r}; rename one.")
        seen[name] = j
    return tuple(str(name) for name in names)


def check_times(times: Any, n_samples: int, where: Where = row_of_array) -> np.ndarray:
    """Times as a float64 array ``(T,)`` that strictly increases; :class:`InputError` otherwise."""
    array = as_float_array(times, where, "times").astype(np.float64, copy=False)
    if array.shape != (n_samples,):
        raise InputError(f"The times have shape {array.shape}, but there are {n_samples} samples.")
    unusable = ~(np.abs(array) < _LIMIT[array.dtype])
    if unusable.any():
        row = int(np.argmax(unusable))
        raise InputError(f"The time at {where(row)} is {array[row]:g}; give every sample a time in seconds.")
    backwards = array[1:] <= array[:-1]
    if backwards.any():
        row = int(np.argmax(backwards)) + 1
        raise InputError(
            f"The times do not increase at {where(row)}: {array[row]:.10g} follows {array[row - 1]:.10g}; "
            "sort the samples by time and keep one of each."
        )
    if n_samples > 1 and array[-1] - array[0] < 1 / _LIMIT[array.dtype]:
        raise InputError(f"The times span {array[-1] - array[0]:g} s only; give them in seconds.")
    return array


def check_sampling_rate(sampling_rate: Any) -> float:
    """A finite rate above zero, as a float; :class:`InputError` otherwise."""
    if isinstance(sampling_rate, Real) and not isinstance(sampling_rate, bool):
        rate = float(sampling_rate)
        if 1 / _LIMIT[np.dtype(np.float64)] < rate < _LIMIT[np.dtype(np.float64)]:
            return rate
    raise InputError(f"sampling_rate={sampling_rate!r} must be a number of samples per second above 0.")


def _floats_of_objects(array: np.ndarray, where: Where, allow_missing: bool) -> np.ndarray:
    """Float64 of a table of Python objects; a string is no number, even when it looks like one."""
    floats = np.full(array.shape, np.nan)
    for index, cell in np.ndenumerate(array):
        if allow_missing and (cell is None or cell is pd.NA):
            continue
        try:
            if isinstance(cell, str | bytes | bool | np.bool_):
                raise ValueError
            floats[index] = float(cell)
        except (TypeError, ValueError, OverflowError) as error:
            place = where(index[0]) if index else "the only cell"
            sentence = f"{shortened(cell)} at {place} is not a number; keep numbers only"
            if isinstance(error, TypeError):  # scikit-learn's wording and type, which its checks look for
                raise NotANumberError(
                    f"{sentence}: an argument must be no string and no object but a number."
                ) from error
            raise InputError(f"{sentence}.") from error
    return floats


def _check_finite(array: np.ndarray, names: Sequence[str], where: Where, missing: str | None) -> None:
    finite = np.isfinite(array)
    if missing == "mask":
        finite |= np.isnan(array)
    if finite.all():
        return
    row, channel = divmod(int(np.argmin(finite)), array.shape[1])
    what = "NaN" if np.isnan(array[row, channel]) else "inf"
    hint = "use missing='mask' if NaN means not seen, or " if missing and what == "NaN" else ""
    raise InputError(
        f"Channel {names[channel]!r} holds {what}, first at {where(row)}; {hint}"
        f"interpolate or leave out what is not finite ({finite.size - np.count_nonzero(finite)} in all)."
    )


def _check_spread(array: np.ndarray, names: Sequence[str], allow_constant: bool) -> None:
    """A channel varies, and by an amount whose square is a number."""
    limit = _LIMIT[array.dtype]
    low, high = np.fmin.reduce(array, axis=0), np.fmax.reduce(array, axis=0)  # of what is no NaN
    size = np.nan_to_num(np.maximum(np.abs(low), np.abs(high)))
    j = int(np.argmax(size))
    if size[j] > limit:
        raise InputError(f"Channel {names[j]!r} reaches {size[j]:.3g}; give it in a larger unit.")
    if allow_constant:
        return
    span = high - low
    still = span <= 4 * np.finfo(array.dtype).eps * size  # a few units in the last place are not a signal
    if still.any():
        j = int(np.argmax(still))
        raise InputError(f"Channel {names[j]!r} is constant, {low[j]:g} everywhere; leave it out.")
    j = int(np.argmin(span))
    if span[j] < 1 / limit:
        raise InputError(f"Channel {names[j]!r} varies by {span[j]:.3g} only; give it in a smaller unit.")
