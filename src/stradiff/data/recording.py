"""Recording: what was observed, checked once and never changed after."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from stradiff.data.checks import check_channel_names, check_observations, check_sampling_rate, check_times
from stradiff.data.missing import interpolated, observed_mask
from stradiff.errors import InputError

__all__ = ["Recording", "check_observations"]


@dataclass(frozen=True, eq=False)
class Recording:
    """Observations ``Y (T, m)`` with their times and names.

    Checked when made, so that everything that takes a ``Recording`` can trust it. The arrays are read-only
    views of those handed in, not copies. One channel is a legal recording; separating needs two
    (``check_rank``).

    Parameters
    ----------
    values : ndarray, shape (T, m)
        Rows are samples. float32 and float64 are kept, whole numbers become float64.
    times : ndarray, shape (T,), optional
        Seconds, strictly increasing, for samples that are not evenly spaced. None: a regular grid.
    sampling_rate : float, optional
        Samples per second of a regular grid. None and no times: the unit of time is one sample.
    channel_names : tuple of str
        ``m`` different names; ``channel 1``, ``channel 2``, ... when left out.
    units : str, optional
        Unit of the values, such as ``"mV"``.
    name : str
        What reports call the recording.
    missing : {"refuse", "mask"}
        ``"mask"``: NaN among the values marks what was not seen.

    Attributes
    ----------
    seen : ndarray of bool, shape (T, m), or None
        Where there is a value; None where nothing is missing.

    Raises
    ------
    InputError
        What :func:`check_observations` refuses; times that do not fit or do not increase; names that do not
        fit or repeat; a rate that is not above zero; times and a sampling rate together.

    Examples
    --------
    >>> recording = Recording(np.eye(4)[:, :2], sampling_rate=2.0)
    >>> recording.time_axis
    array([0. , 0.5, 1. , 1.5])
    """

    values: np.ndarray
    times: np.ndarray | None = None
    sampling_rate: float | None = None
    channel_names: tuple[str, ...] = ()
    units: str | None = None
    name: str = "recording"
    missing: str = "refuse"

    def __post_init__(self) -> None:
        values = check_observations(self.values, channel_names=self.channel_names, missing=self.missing)
        checked: dict[str, object] = {
            "values": _read_only(values),
            "channel_names": check_channel_names(self.channel_names, values.shape[1]),
        }
        if self.times is not None and self.sampling_rate is not None:
            raise InputError("A recording has either times or a sampling_rate; leave out one of them.")
        if self.times is not None:
            checked["times"] = _read_only(check_times(self.times, len(values)))
        if self.sampling_rate is not None:
            checked["sampling_rate"] = check_sampling_rate(self.sampling_rate)
        for key, value in checked.items():
            object.__setattr__(self, key, value)

    @cached_property
    def mask(self) -> np.ndarray | None:
        """``(T, m)`` True where there is a value; None where nothing is missing."""
        return observed_mask(self.values)

    @property
    def filled(self) -> np.ndarray:
        """The values with straight lines through their gaps, for methods that cannot do with gaps."""
        return interpolated(self.values, self.mask, self.times)

    @property
    def n_samples(self) -> int:
        """``T``."""
        return self.values.shape[0]

    @property
    def n_channels(self) -> int:
        """``m``."""
        return self.values.shape[1]

    @property
    def time_unit(self) -> Literal["s", "samples"]:
        """Unit of ``time_axis``: seconds where times or a sampling rate are known."""
        return "samples" if self.times is None and self.sampling_rate is None else "s"

    @property
    def time_axis(self) -> np.ndarray:
        """Time of every sample, ``(T,)``, in ``time_unit``; a regular grid starts at 0."""
        if self.times is not None:
            return self.times
        return np.arange(self.n_samples) / (self.sampling_rate or 1.0)

    @property
    def duration(self) -> float:
        """From the first sample to the last, in ``time_unit``."""
        if self.times is not None:
            return float(self.times[-1] - self.times[0])
        return (self.n_samples - 1) / (self.sampling_rate or 1.0)


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view
