"""``fit_group``: several recordings, one shared mixing map, sources of their own."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from stradiff.data.checks import check_channel_names
from stradiff.data.readers import read_recording
from stradiff.data.recording import Recording
from stradiff.data.times import normalised_times, regular_rate
from stradiff.errors import InputError, SeparationWarning
from stradiff.estimator import StrADiff
from stradiff.jobs.recordings import by_name
from stradiff.model.devices import computing_on
from stradiff.pipeline import separate
from stradiff.prepare import Recordings, Request

SAME_RATE = 1e-3  # relative: rates found from written times differ in their last digits


@dataclass(frozen=True)
class Member:
    """A recording of the group, checked, and the estimator that will hold its fit."""

    name: str
    values: np.ndarray
    times: np.ndarray | None
    rate: float | None
    channels: tuple[str, ...]
    """Empty where they have no names."""
    estimator: StrADiff


def fit_group(recordings: Mapping[str, Any] | Sequence[Any], estimator: StrADiff) -> list[StrADiff]:
    """Separate recordings of one mixing together: trials, subjects or sessions with the same sensors.

    The map, the noise, and every source's network and prior are shared; trajectories are not. Source k is the same
    source in all of them, with one order, sign and scale: it has unit variance over all recordings together, and a
    variance of its own in each. The information of all recordings about the map adds up.

    Parameters
    ----------
    recordings : mapping of str to recordings, or sequence
        Arrays or frames (T_r, m), ``Recording`` objects, or paths of files; the same channels at the same rate on
        regular grids. Lengths may differ: networks are then convolutional, and the memory a fit takes is that of as
        many recordings of the longest length.
    estimator : StrADiff
        Its parameters, not its fit. An array as ``init`` holds the sources of all recordings, one after the other.
        Training sees whole recordings: ``segment_length`` is for single ones. A ``checkpoint`` is that of the group.

    Returns
    -------
    list of StrADiff
        One fitted estimator for each recording, in order. ``history_``, ``n_epochs_``, ``converged_`` and
        ``stability_`` are the group's; ``fit_info_["group"]`` names its members.

    Raises
    ------
    InputError, OptionError, InsufficientMemoryError
        For recordings that do not belong together, and data or settings that cannot be used.
    StorageError
        For a checkpoint that cannot be written, or is of other recordings or other settings.
    NumericsError
        Where training left the range of numbers before anything was learned.

    Examples
    --------
    >>> from stradiff import StrADiff, Training, simulate
    >>> Y = simulate("linear", n_samples=300, seed=0).recording.values
    >>> model = StrADiff(3, training=Training(max_epochs=20, tol=0), random_state=0, verbose=False)
    >>> fits = fit_group([Y[:150], Y[150:]], model)
    >>> [fit.sources_.shape for fit in fits], np.array_equal(fits[0].mixing_, fits[1].mixing_)
    ([(150, 3), (150, 3)], True)
    """
    members = _members(recordings, estimator)
    grids = [normalised_times(member.times, len(member.values)) for member in members]
    with computing_on(estimator.device):
        results = separate(
            Recordings(tuple(member.values for member in members), grids[0][0] if len(members) == 1 else None),
            Request.of(estimator.get_params(deep=False)),
        )
        for member, result, (_, times, span) in zip(members, results, grids, strict=True):
            group = {"recording": member.name, "recordings": [other.name for other in members]}
            member.estimator._store(dataclasses.replace(result, info=result.info | {"group": group}), times, span)
    _warn(members)
    return [member.estimator for member in members]


def _members(recordings: Mapping[str, Any] | Sequence[Any], estimator: StrADiff) -> list[Member]:
    """The recordings, read and checked, each by itself and against the first."""
    named = recordings if isinstance(recordings, Mapping) else by_name(recordings)
    if not named:
        raise InputError("There is no recording to separate.")
    members: list[Member] = []
    for name, recording in named.items():
        member = _member(str(name), recording, estimator)
        if members:
            _check_alike(member, members[0])
        members.append(member)
    return members


def _member(name: str, recording: Any, estimator: StrADiff) -> Member:
    if isinstance(recording, str | Path):
        recording = read_recording(Path(recording), missing=estimator.missing)
    times, rate, values = None, None, recording
    channels: tuple[str, ...] = ()
    if isinstance(recording, Recording):
        times, rate, values = recording.times, recording.sampling_rate, recording.values
        if recording.channel_names != check_channel_names(None, recording.n_channels):
            channels = recording.channel_names
    if times is not None:
        rate = regular_rate(times)
        if rate is None:
            raise InputError(
                f"The times of {name!r} are not evenly spaced; a group needs regular grids: resample it, or fit the "
                "recordings one by one."
            )
    own = clone(estimator)
    try:
        values = own._check_recording(values)
    except InputError as error:
        raise type(error)(f"In {name!r}: {error}") from error
    channels = channels or tuple(getattr(own, "feature_names_in_", ()))
    return Member(name, values, times, rate, channels, own)


def _check_alike(member: Member, first: Member) -> None:
    """Refuse a recording of other channels or another rate than the first."""
    if member.values.shape[1] != first.values.shape[1]:
        raise InputError(
            f"{member.name!r} has {member.values.shape[1]} channels and {first.name!r} has {first.values.shape[1]}; "
            "one mixing map needs the same channels in all recordings."
        )
    names, expected = member.channels, first.channels
    if names and expected and names != expected:
        at = next(j for j, pair in enumerate(zip(names, expected, strict=True)) if pair[0] != pair[1])
        raise InputError(
            f"Channel {at + 1} is {names[at]!r} in {member.name!r} and {expected[at]!r} in {first.name!r}; "
            "give all recordings the same channels in the same order."
        )
    if member.rate and first.rate and abs(member.rate / first.rate - 1.0) > SAME_RATE:
        raise InputError(
            f"{member.name!r} has {member.rate:g} samples per second and {first.name!r} has {first.rate:g}; resample "
            "to one rate: length-scales count in samples."
        )


def _warn(members: Sequence[Member]) -> None:
    """Python's warnings: those of all recordings once, others with the names of their recordings."""
    names: dict[tuple[str, str], list[str]] = {}
    for member in members:
        for finding in member.estimator.diagnostics_:
            if finding["severity"] == "warning":
                names.setdefault((finding["kind"], finding["sentence"]), []).append(member.name)
    for (kind, sentence), concerned in names.items():
        where = "" if len(concerned) == len(members) else f"{', '.join(concerned)}: "
        category = ConvergenceWarning if kind == "ending" else SeparationWarning
        warnings.warn(where + sentence, category, stacklevel=3)
