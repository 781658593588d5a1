"""What a fit found, in numbers and words: the one dictionary that report, tables and ``--json`` show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from stradiff.assess.alignment import match_sources
from stradiff.assess.metrics import explained_variance
from stradiff.data.recording import Recording
from stradiff.errors import InputError

Z95 = 1.959963984540054  # a Gaussian variable lies within this many standard deviations with probability 0.95


@runtime_checkable  # the tests check argument types while they run
class Fit(Protocol):
    """What the report needs to know of a fitted model; ``StrADiff`` has it all after ``fit``."""

    map_: str
    prior: str | Sequence[str] | None
    random_state: Any
    sources_: np.ndarray
    sources_std_: np.ndarray
    length_scales_: np.ndarray
    priors_: tuple[str, ...]
    reconstruction_: np.ndarray
    history_: dict[str, np.ndarray]
    n_epochs_: int
    converged_: bool
    interrupted_: bool
    warnings_: list[str]
    diagnostics_: list[dict[str, Any]]
    recorded_epochs_: tuple[int, ...]
    fit_info_: dict[str, Any]

    def reverse_path(self, epoch: int) -> np.ndarray:
        """States ``(L + 1, T, n)`` recorded at an epoch, x_L first."""

    def inverse_transform(self, S: np.ndarray) -> np.ndarray:
        """Recording ``(T, m)`` of sources ``(T, n)``."""


def source_labels(n: int) -> list[str]:
    """Names of the sources wherever people read them: "source 1" to "source n"."""
    return [f"source {k + 1}" for k in range(n)]


def source_columns(n: int) -> list[str]:
    """Names of the sources in files: "source_1" to "source_n"."""
    return [f"source_{k + 1}" for k in range(n)]


def check_pair(fit: Fit, recording: Recording) -> None:
    """Refuse a recording that cannot be the one the fit was made from.

    Raises
    ------
    InputError
        When the numbers of samples or channels differ.
    """
    fitted, given = np.shape(fit.reconstruction_), np.shape(recording.values)
    if fitted != given:
        raise InputError(
            f"The fit was made from {fitted[0]} samples of {fitted[1]} channels, but the recording "
            f"{recording.name!r} has {given[0]} of {given[1]}; give the recording that was fitted."
        )


def explained_share(fit: Fit, recording: Recording) -> tuple[float, np.ndarray]:
    """Share of the recording's variance explained by all sources together, and by each of them.

    A source's own share is what is lost when it alone is silenced (set to its mean) and the map is
    applied again. The shares add up to the total only where sources are uncorrelated and the map is linear.
    Channels count equally: each is measured against its own variance.

    Returns
    -------
    total : float
        At most 1; below 0 when the reconstruction is worse than the channels' means.
    each : numpy.ndarray
        ``(n,)``
    """
    S = np.asarray(fit.sources_)
    Y, mask = recording.values, recording.mask
    total = float(explained_variance(Y, fit.reconstruction_, mask=mask))
    silenced = [np.where(np.arange(S.shape[1]) == k, S.mean(axis=0), S) for k in range(S.shape[1])]
    left = [float(explained_variance(Y, fit.inverse_transform(part), mask=mask)) for part in silenced]
    return total, total - np.array(left)


def summarise(fit: Fit, recording: Recording, truth: np.ndarray | None = None) -> dict[str, Any]:
    """Collect what a fit found in one dictionary that ``json.dumps`` accepts.

    Parameters
    ----------
    fit
        A fitted model.
    recording
        The recording it was fitted to.
    truth
        True sources ``(T, n)``, where they are known: adds their matched correlations.

    Returns
    -------
    dict
        "recording", "model", "sources" (a list with one dictionary each, with "stability" where there were restarts),
        "explained_variance", "training", "warnings" and "diagnostics".
    """
    check_pair(fit, recording)
    total, each = explained_share(fit, recording)
    scales, span = np.asarray(fit.length_scales_, dtype=float), recording.duration
    spread = np.sqrt(np.mean(np.square(fit.sources_std_, dtype=float), axis=0))
    sources = [
        {
            "name": name,
            "prior": fit.priors_[k],
            "length_scale": float(scales[k]),
            f"length_scale_{recording.time_unit}": float(scales[k] * span),
            "explained_share": float(each[k]),
            "typical_sd": float(spread[k]),
        }
        for k, name in enumerate(source_labels(len(scales)))
    ]
    beside = {"stability": fit.fit_info_["stability"]} if "stability" in fit.fit_info_ else {}
    if truth is not None:
        beside["matched_correlation"] = matched_correlations(fit.sources_, truth)
    for key, values in beside.items():
        for source, value in zip(sources, values, strict=True):
            source[key] = value
    return {
        "recording": describe_recording(recording),
        "sources": sources,
        "explained_variance": total,
        **describe_fit(fit),
    }


def describe_recording(recording: Recording) -> dict[str, Any]:
    """Name, size and time base of a recording."""
    return {
        "name": recording.name,
        "n_samples": recording.n_samples,
        "n_channels": recording.n_channels,
        "channel_names": list(recording.channel_names),
        "units": recording.units,
        "sampling_rate": recording.sampling_rate,
        "time_unit": recording.time_unit,
        "span": recording.duration,
        "missing_share": 0.0 if recording.mask is None else float(1 - recording.mask.mean()),
    }


def describe_fit(fit: Fit) -> dict[str, Any]:
    """The model, its training and its warnings, as far as they need no recording."""
    info = plain(fit.fit_info_)
    return {
        "model": {
            "n_components": int(np.shape(fit.sources_)[1]),
            "mixing": fit.map_,
            "prior": plain(fit.prior if fit.prior is not None else info.get("settings", {}).get("prior")),
            "preset": info.get("preset"),
            "seed": plain(fit.random_state) if isinstance(fit.random_state, int | np.integer) else None,
            "drawn_seed": info.get("seed"),
            "settings": info.get("settings", {}),
            "versions": info.get("versions", {}),
        },
        "training": {
            "n_epochs": int(fit.n_epochs_),
            "converged": bool(fit.converged_),
            "interrupted": bool(fit.interrupted_),
            "seconds": info.get("seconds"),
        },
        "warnings": [str(warning) for warning in fit.warnings_],
        "diagnostics": plain(fit.diagnostics_),
    }


def matched_correlations(estimate: np.ndarray, truth: np.ndarray) -> list[float | None]:
    """|Correlation| of each estimate with the true source it stands for; None where it stands for none."""
    matching = match_sources(estimate, truth)
    found = dict(zip(matching.order.tolist(), matching.correlation.tolist(), strict=True))
    return [found.get(k) for k in range(np.shape(estimate)[1])]


def like_estimates(truth: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """The true sources ``(T, n)`` in the order and with the sign of the estimates that stand for them.

    So that pictures of the truth agree with all others of the fit. Truth of another number of sources than
    were estimated stays as it is.
    """
    matching = match_sources(estimate, truth)
    if np.shape(truth) != np.shape(estimate):
        return np.asarray(truth)
    turned = np.empty_like(truth)
    turned[:, matching.order] = truth * matching.sign
    return turned


def correlation_history(fit: Fit, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Matched correlations with the truth at every recorded epoch: those of the end x_0 of its path.

    Returns
    -------
    epochs : numpy.ndarray
        ``(E,)``
    correlation : numpy.ndarray
        ``(E, n)``, in the order of the truth.
    """
    epochs = np.array(fit.recorded_epochs_, dtype=int)
    ends = (fit.reverse_path(int(epoch))[-1] for epoch in epochs)
    return epochs, np.array([match_sources(end, truth).correlation for end in ends])


def stages(fit: Fit) -> dict[str, int]:
    """Recorded epochs nearest to the beginning, the middle and the end of training, as far as they differ."""
    recorded = np.array(sorted(fit.recorded_epochs_), dtype=int)
    if not len(recorded):
        return {}
    wanted = {"end": fit.n_epochs_, "beginning": 0, "middle": fit.n_epochs_ // 2}
    found: dict[str, int] = {}
    for place, epoch in wanted.items():
        nearest = int(recorded[np.abs(recorded - epoch).argmin()])
        if nearest not in found.values():
            found[place] = nearest
    return {place: found[place] for place in ("beginning", "middle", "end") if place in found}


def bands(fit: Fit) -> tuple[np.ndarray, list[str]]:
    """Mean, standard deviation and 95 % limits of every source: a table ``(T, 4 n)`` and its column names."""
    mean, sd = np.asarray(fit.sources_, dtype=float), np.asarray(fit.sources_std_, dtype=float)
    parts = {"mean": mean, "sd": sd, "lower95": mean - Z95 * sd, "upper95": mean + Z95 * sd}
    names = [f"{column}_{part}" for column in source_columns(mean.shape[1]) for part in parts]
    return np.stack(list(parts.values()), axis=2).reshape(len(mean), -1), names


def history_table(fit: Fit) -> tuple[np.ndarray, list[str]]:
    """The fit's history as one table, a row an epoch, and its column names, "epoch" first."""
    names, columns = ["epoch"], [np.arange(1, int(fit.n_epochs_) + 1, dtype=float)]
    for name, values in fit.history_.items():
        values = np.asarray(values, dtype=float)
        each = [name] if values.ndim == 1 else [f"{name}_{k + 1}" for k in range(values.shape[1])]
        names += each
        columns += list(np.atleast_2d(values.T))
    return np.column_stack(columns), names


def plain(value: Any) -> Any:
    """The same as built-in types that JSON knows: arrays as lists, numbers that are not finite as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def flat_rows(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as rows (name, value) of a table; "prior.jitter" is the entry "jitter" of "prior"."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat_rows(value, f"{prefix}{name}.")
        else:
            yield prefix + str(name), readable(value)


def readable(value: Any) -> str:
    """A setting's value as a reader wants it."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(readable(item) for item in value) or "none"
    return str(value)
