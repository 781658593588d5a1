"""Recording: validated, immutable observations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from stradiff.data.checks import check_channel_names, check_observations, check_sampling_rate, check_times
from stradiff.data.missing import interpolated, observed_mask
from stradiff.errors import InputError


@dataclass(frozen=True, eq=False)
class Recording:
    """Observations ``Y (T, m)`` with their times and names, validated on construction.

    The arrays are read-only views of those passed, not copies. One channel is allowed; separation needs two
    (``check_rank``).

    Parameters
    ----------
    values : ndarray, shape (T, m)
        Rows are samples. float32 and float64 are kept, integers become float64.
    times : ndarray, shape (T,), optional
        Strictly increasing seconds of unevenly spaced samples. None: a regular grid.
    sampling_rate : float, optional
        Samples per second of a regular grid. Without it and without times, the unit of time is one sample.
    channel_names : tuple of str
        ``m`` unique names; ``channel 1``, ``channel 2``, ... by default.
    units : str, optional
        Unit of the values, such as ``"mV"``.
    name : str
        Name of the recording in reports.
    missing : {"refuse", "mask"}
        ``"mask"``: NaN marks a missing value.

    Raises
    ------
    InputError
        Observations rejected by :func:`check_observations`; times of another length or not increasing; names of
        another number or repeated; a rate not above zero; both times and a sampling rate.

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
        """``(T, m)`` True where a value was observed; None where nothing is missing."""
        return observed_mask(self.values)

    @property
    def filled(self) -> np.ndarray:
        """The values with gaps filled by linear interpolation, for methods that do not support missing values."""
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
        """Unit of ``time_axis``: seconds if times or a sampling rate are known."""
        return "samples" if self.times is None and self.sampling_rate is None else "s"

    @property
    def time_axis(self) -> np.ndarray:
        """Time of every sample, ``(T,)``, in ``time_unit``; a regular grid starts at 0."""
        if self.times is not None:
            return self.times
        return np.arange(self.n_samples) / (self.sampling_rate or 1.0)

    @property
    def duration(self) -> float:
        """Time from the first sample to the last, in ``time_unit``."""
        return float(self.time_axis[-1] - self.time_axis[0])


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view
