"""The summary of a fit: one dictionary for the report, for tables and for ``--json``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from stradiff.assess.alignment import match_sources
from stradiff.assess.findings import silenced_shares
from stradiff.assess.metrics import explained_variance
from stradiff.data.recording import Recording
from stradiff.errors import InputError

Z95 = 1.959963984540054  # standard deviations on either side of a 95 % band


@runtime_checkable  # the tests check argument types at run time
class FittedModel(Protocol):
    """The attributes and methods of a fitted :class:`stradiff.StrADiff` that a report needs."""

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
    """Names of the sources in text: "source 1" to "source n"."""
    return [f"source {k + 1}" for k in range(n)]


def source_columns(n: int) -> list[str]:
    """Names of the sources in files: "source_1" to "source_n"."""
    return [f"source_{k + 1}" for k in range(n)]


def check_pair(fit: FittedModel, recording: Recording) -> None:
    """InputError for a recording that does not have the shape of the fitted one."""
    fitted, shape = np.shape(fit.reconstruction_), np.shape(recording.values)
    if fitted != shape:
        raise InputError(
            f"The fit was made from {fitted[0]} samples of {fitted[1]} channels, but the recording "
            f"{recording.name!r} has {shape[0]} of {shape[1]}; give the recording that was fitted."
        )


def explained_share(fit: FittedModel, recording: Recording) -> tuple[float, np.ndarray]:
    """Share of the recording's variance explained by all sources together, and by each of them.

    The share of a source is the loss of explained variance when it alone is silenced (set to its mean). Shares add up
    to the total only where sources are uncorrelated and the map is linear. Each channel is measured against its own
    variance.

    Returns the total, at most 1 and below 0 where the reconstruction is worse than the channels' means, and ``(n,)``.
    """
    total = float(explained_variance(recording.values, fit.reconstruction_, mask=recording.mask))
    return total, silenced_shares(recording.values, np.asarray(fit.sources_), fit.inverse_transform)


def summarise(fit: FittedModel, recording: Recording, truth: np.ndarray | None = None) -> dict[str, Any]:
    """Summarise a fit in one dictionary that ``json.dumps`` accepts.

    Its keys are "recording", "model", "sources" (a list with one dictionary each, with "stability" after restarts),
    "explained_variance", "training", "warnings" and "diagnostics". True sources ``(T, n)`` add matched correlations.
    """
    check_pair(fit, recording)
    total, each = explained_share(fit, recording)
    scales, span = np.asarray(fit.length_scales_, dtype=float), recording.duration
    typical_sd = np.sqrt(np.mean(np.square(fit.sources_std_, dtype=float), axis=0))
    sources = [
        {
            "name": name,
            "prior": fit.priors_[k],
            "length_scale": float(scales[k]),
            f"length_scale_{recording.time_unit}": float(scales[k] * span),
            "explained_share": float(each[k]),
            "typical_sd": float(typical_sd[k]),
        }
        for k, name in enumerate(source_labels(len(scales)))
    ]
    columns = {"stability": fit.fit_info_["stability"]} if "stability" in fit.fit_info_ else {}
    if truth is not None:
        columns["matched_correlation"] = matched_correlations(fit.sources_, truth)
    for key, values in columns.items():
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


def describe_fit(fit: FittedModel) -> dict[str, Any]:
    """The model, its training and its warnings: the part of the summary that needs no recording."""
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
    """|Correlation| of each estimate with its matched true source; None where it matches none."""
    matching = match_sources(estimate, truth)
    correlations = dict(zip(matching.order.tolist(), matching.correlation.tolist(), strict=True))
    return [correlations.get(k) for k in range(np.shape(estimate)[1])]


def like_estimates(truth: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """The true sources ``(T, n)`` in the order and with the sign of their estimates.

    Unchanged where the number of true sources differs from that of the estimates.
    """
    matching = match_sources(estimate, truth)
    if np.shape(truth) != np.shape(estimate):
        return np.asarray(truth)
    aligned = np.empty_like(truth)
    aligned[:, matching.order] = truth * matching.sign
    return aligned


def correlation_history(fit: FittedModel, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All recorded epochs ``(E,)``, and the matched correlations of x_0 with the truth, ``(E, n)`` in its order."""
    epochs = np.array(fit.recorded_epochs_, dtype=int)
    ends = (fit.reverse_path(int(epoch))[-1] for epoch in epochs)
    return epochs, np.array([match_sources(end, truth).correlation for end in ends])


def stages(fit: FittedModel) -> dict[str, int]:
    """Recorded epochs nearest to the beginning, the middle and the end of training, each epoch once."""
    recorded = np.array(sorted(fit.recorded_epochs_), dtype=int)
    if not len(recorded):
        return {}
    targets = {"end": fit.n_epochs_, "beginning": 0, "middle": fit.n_epochs_ // 2}
    epochs: dict[str, int] = {}
    for stage, target in targets.items():
        nearest = int(recorded[np.abs(recorded - target).argmin()])
        if nearest not in epochs.values():
            epochs[stage] = nearest
    return {stage: epochs[stage] for stage in ("beginning", "middle", "end") if stage in epochs}


def bands(fit: FittedModel) -> tuple[np.ndarray, list[str]]:
    """Mean, standard deviation and 95 % limits of every source: a table ``(T, 4 n)`` and its column names."""
    mean, sd = np.asarray(fit.sources_, dtype=float), np.asarray(fit.sources_std_, dtype=float)
    tables = {"mean": mean, "sd": sd, "lower95": mean - Z95 * sd, "upper95": mean + Z95 * sd}
    names = [f"{column}_{name}" for column in source_columns(mean.shape[1]) for name in tables]
    return np.stack(list(tables.values()), axis=2).reshape(len(mean), -1), names


def history_table(fit: FittedModel) -> tuple[np.ndarray, list[str]]:
    """The fit's history as one table, a row for each epoch, and its column names, "epoch" first."""
    names, columns = ["epoch"], [np.arange(1, int(fit.n_epochs_) + 1, dtype=float)]
    for name, values in fit.history_.items():
        values = np.asarray(values, dtype=float)
        names += [name] if values.ndim == 1 else [f"{name}_{k + 1}" for k in range(values.shape[1])]
        columns += list(np.atleast_2d(values.T))
    return np.column_stack(columns), names


def plain(value: Any) -> Any:
    """The value in built-in types, for JSON: arrays as lists, numbers that are not finite as None."""
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
    """Nested settings as rows (name, value); "prior.1.jitter" is the entry "jitter" of the first of "prior"."""
    for name, value in settings.items():
        if isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
            value = {str(number): item for number, item in enumerate(value, start=1)}
        if isinstance(value, Mapping):
            yield from flat_rows(value, f"{prefix}{name}.")
        else:
            yield prefix + str(name), readable(value)


def readable(value: Any) -> str:
    """The value of a setting as text."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(readable(item) for item in value) or "none"
    return str(value)
