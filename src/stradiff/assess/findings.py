"""Findings about a fit, one function for each kind: what is doubtful about an answer, and what to do about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy.sparse.csgraph import connected_components

from stradiff.config import Configuration
from stradiff.data.missing import interpolated, observed_mask
from stradiff.data.noise_floor import noise_floor
from stradiff.posterior.cross_talk import expected_cross_talk
from stradiff.train import TrainingResult
from stradiff.train.callbacks import PATIENCE

LARGEST_CROSS_TALK = 0.05  # share of power, 13 dB; learned spectra are smoother than true ones: 1 % is too strict
LEAST_SHARE = 1e-3  # of the recording's variance: less is lost in the assumed noise of one per cent
LEAST_DEVIATION = 1e-6  # of a source that is held at unit variance
LARGEST_CORRELATION = 0.9  # independent sources reach it by chance only in records of a handful of excursions
LARGEST_COSINE = 0.999  # between mixing columns of normalised channels, which then differ by half a per cent
FEWEST_SAMPLES = 100  # two independent white series of this length correlate by 0.1 by chance (1 / sqrt T)
LARGEST_SLOW_SHARE = 0.5  # of power at one cycle per record: an RBF length-scale of a tenth of the record has 0.55
LARGEST_ERROR = 2.0  # times nu_y: a mean of squares over a hundred samples and more varies much less
LEAST_NONLINEARITY = 2.0  # times nu_y: a network warps sources a little, and its nonlinear part undoes that
LEAST_STABILITY = 0.9  # matched correlation: below, fits differ in a fifth of a source's variance


@dataclasses.dataclass(frozen=True)
class Finding:
    """One finding, with the sources concerned and a remedy.

    Attributes
    ----------
    kind : str
        A name for programs: ``"ending"``, ``"alike"``, ``"collapsed"``, ``"duplicated"``, ``"few-excursions"``,
        ``"short-record"``, ``"misfit"``, ``"linear-suffices"`` or ``"unstable"``.
    severity : {"warning", "note"}
        A warning when the sources concerned may be wrong, a note otherwise.
    sources : tuple of int
        Columns of ``sources_``, from 0; empty when all are concerned.
    sentence : str
    """

    kind: str
    severity: str
    sources: tuple[int, ...]
    sentence: str

    def plain(self) -> dict[str, Any]:
        """The finding in built-in types, for JSON."""
        return dataclasses.asdict(self) | {"sources": list(self.sources)}


def warning(kind: str, sentence: str, sources: Sequence[int] = ()) -> Finding:
    """A finding of severity "warning"."""
    return Finding(kind, "warning", tuple(sources), sentence)


def named(sources: Sequence[int]) -> str:
    """Names of the sources at the beginning of a sentence, counted from 1.

    >>> named([0, 2, 3])
    'Sources 1, 3 and 4'
    """
    numbers = [str(k + 1) for k in sources]
    if len(numbers) == 1:
        return f"Source {numbers[0]}"
    return f"Sources {', '.join(numbers[:-1])} and {numbers[-1]}"


def percent(share: float) -> str:
    """A share in per cent, to two digits.

    >>> percent(0.9991), percent(0.05123), percent(1e-6)
    ('100 %', '5.1 %', '0.0001 %')
    """
    rounded = f"{float(f'{100 * share:.2g}'):f}"
    return f"{rounded.rstrip('0').rstrip('.')} %"


def ending(fit: TrainingResult, settings: Configuration) -> list[Finding]:
    """Training that diverged, was interrupted, or did not converge."""
    training = settings.training
    if fit.diverged:
        sentence = (
            f"The objective was not finite after epoch {fit.n_epochs}; the last finite state is kept. Lower "
            f"learning_rate (now {training.learning_rate:g})."
        )
    elif fit.interrupted and not fit.n_epochs:
        sentence = "Stopped by hand before the first epoch; the sources are those of the initialisation."
    elif fit.interrupted:
        sentence = f"Stopped by hand after {fit.n_epochs} of {training.max_epochs} epochs; the last state is kept."
    elif training.tol > 0 and not fit.converged and fit.n_epochs == training.max_epochs:
        sentence = (
            f"Training had not converged after max_epochs={training.max_epochs} epochs; raise max_epochs, or raise "
            f"tol (now {training.tol:g}: the decrease of the objective per value of the recording over {PATIENCE} "
            "epochs)."
        )
    else:
        return []
    return [warning("ending", sentence)]


def alike(
    spectra: np.ndarray,
    weights: np.ndarray,
    n_samples: int,
    noise: float | np.ndarray = 0.0,
    inverse_information: np.ndarray | None = None,
) -> list[Finding]:
    """Sets of sources whose spectra are too alike to be separated over a record of this length.

    The measure is ``expected_cross_talk``, with its parameters: the smallest cross-talk of any method that uses the
    spectra, and the amplitude distributions of non-Gaussian priors.
    """
    cross_talk = expected_cross_talk(spectra, weights, n_samples, noise, inverse_information)
    cross_talk = np.maximum(cross_talk, cross_talk.T)
    n_sets, labels = connected_components(cross_talk > LARGEST_CROSS_TALK, directed=False)
    findings = []
    for sources in (np.flatnonzero(labels == label).tolist() for label in range(n_sets)):
        if len(sources) > 1:
            share = percent(cross_talk[np.ix_(sources, sources)].max())
            sentence = (
                f"{named(sources)} have spectra too alike to be separated over {n_samples:,} samples: about {share} of "
                "the power of one may belong to another; record longer, or treat them as one group, unless their "
                "amplitude distributions differ and a second method (FastICA) agrees."
            )
            findings.append(warning("alike", sentence, sources))
    return findings


def collapsed(deviations: np.ndarray, shares: np.ndarray) -> list[Finding]:
    """Sources that vanished, or that the recording does not need.

    ``deviations (n,)`` of the sources over time, ``shares (n,)`` of variance lost when each is silenced.
    """
    vanished = deviations < LEAST_DEVIATION
    negligible = (shares < LEAST_SHARE) & ~vanished
    n_needed = max(int((~vanished & ~negligible).sum()), 1)
    faults = (
        (vanished, "vanished during training"),
        (negligible, f"contributes less than {percent(LEAST_SHARE)} of the recording's variance"),
    )
    advice = f"use n_components={n_needed}, or another random_state, and do not interpret it."
    return [
        warning("collapsed", f"{named([k])} {fault}; {advice}", [k])
        for concerned, fault in faults
        for k in np.flatnonzero(concerned).tolist()
    ]


def silenced_shares(values: np.ndarray, sources: np.ndarray, mix: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Share of the variance of ``values (T, m)`` that is lost when one source is set to its mean: ``(n,)``."""
    indices, means = np.arange(sources.shape[1]), sources.mean(axis=0)
    total = fitted_share(values, mix(sources))
    return np.array([total - fitted_share(values, mix(np.where(indices == k, means, sources))) for k in indices])


def fitted_share(values: np.ndarray, fitted: np.ndarray) -> float:
    """R^2, averaged over channels; missing samples (NaN) do not count."""
    error = np.nansum((values - fitted) ** 2, axis=0)
    return float(np.mean(1.0 - error / np.nansum((values - np.nanmean(values, axis=0)) ** 2, axis=0)))


def duplicated(sources: np.ndarray, columns: np.ndarray) -> list[Finding]:
    """Pairs of sources that are the same in time, or in the map.

    ``sources (T, n)``; ``columns (m, n)``: what each adds to the normalised channels, to first order.
    """
    findings, centred = [], sources - sources.mean(axis=0)
    for j, k in combinations(range(sources.shape[1]), 2):
        correlation = _cosine(centred[:, j], centred[:, k])
        if correlation > LARGEST_CORRELATION:
            fault = f"are correlated by {correlation:.2f}: they are one source twice"
        elif _cosine(columns[:, j], columns[:, k]) > LARGEST_COSINE:
            fault = "have the same weights in all channels, so that the channels cannot separate them"
        else:
            continue
        sentence = f"{named([j, k])} {fault}; use n_components={sources.shape[1] - 1}, or add channels."
        findings.append(warning("duplicated", sentence, (j, k)))
    return findings


def first_order(sources: np.ndarray, normalised: np.ndarray) -> np.ndarray:
    """Columns ``(m, n)`` of the best linear map from ``sources (T, n)`` to normalised channels ``(T, m)``."""
    centred = sources - sources.mean(axis=0)
    return np.linalg.lstsq(centred, normalised - normalised.mean(axis=0), rcond=None)[0].T


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    """|cos| of the angle; 0 where one of the vectors is 0."""
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(abs(a @ b)) / length if length else 0.0


def few_excursions(spectra: np.ndarray, weights: np.ndarray) -> list[Finding]:
    """Sources too slow to distinguish correlation from chance.

    ``spectra (n, F)`` at ``record_frequencies``: the first column is one cycle per record.
    """
    share = spectra[:, 0] * weights[0] / (spectra @ weights)
    slow = np.flatnonzero(share > LARGEST_SLOW_SHARE).tolist()
    if not slow or spectra.shape[1] < 2:
        return []
    sentence = (
        f"{named(slow)} change{'s' if len(slow) == 1 else ''} so slowly that the record holds less than ten "
        "length-scales, too few independent excursions to distinguish correlation from chance; record longer, or "
        "remove slow trends before the fit."
    )
    return [warning("few-excursions", sentence, slow)]


def short_record(n_samples: int) -> list[Finding]:
    """Too few samples for any statistics."""
    if n_samples >= FEWEST_SAMPLES:
        return []
    sentence = (
        f"With {n_samples} samples, independent sources correlate by about {n_samples**-0.5:.1f} by chance, which no "
        f"method can distinguish from mixing; record at least {FEWEST_SAMPLES} samples."
    )
    return [warning("short-record", sentence)]


def misfit(error: float, nu_y: float, n_sources: int, n_channels: int, *, linear: bool) -> list[Finding]:
    """A reconstruction that is worse than the assumed noise.

    ``error``: mean squared distance of the normalised recording from its reconstruction at the end of training.
    """
    if not error > LARGEST_ERROR * nu_y:
        return []
    remedies = ["train longer"]
    if n_sources < n_channels:
        remedies.append("use more n_components")
    if linear:
        remedies.append("try nonlinear mixing (mixing='mlp')")
    sentence = (
        f"The reconstruction misses {percent(error)} of the normalised recording's variance, more than the assumed "
        f"noise of {percent(nu_y)}; {', or '.join(remedies)}, or set nu_y={error:.2g} if that much is noise."
    )
    return [warning("misfit", sentence)]


def linear_suffices(values: np.ndarray, sources: np.ndarray, fitted: np.ndarray, nu_y: float) -> list[Finding]:
    """A nonlinear map that explains little beyond the best linear map of the same sources.

    ``values (T, m)``, NaN where missing; ``sources (T, n)``; ``fitted (T, m)``: the recording by the nonlinear map.
    Both the assumed noise, twice, and white noise in the channels can look like a nonlinearity to a network.
    """
    nonlinear = fitted_share(values, fitted) - fitted_share(values, _linear_fit(values, sources))
    noise = LEAST_NONLINEARITY * nu_y + noise_floor(interpolated(values, observed_mask(values)))
    if nonlinear >= noise:
        return []
    sentence = (
        f"The nonlinear part of the map explains {percent(max(nonlinear, 0.0))} of the recording's variance, less than "
        f"the {percent(noise)} that noise can account for, and so is little evidence of nonlinear mixing; compare "
        "mixing='linear', which has fewer parameters."
    )
    return [Finding("linear-suffices", "note", (), sentence)]


def _linear_fit(values: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Least squares of every channel on the sources and a constant, over the samples that are not missing."""
    design = np.column_stack([sources, np.ones(len(sources))])
    fitted = np.empty(values.shape)
    for channel, column in enumerate(values.T):
        mask = ~np.isnan(column)
        fitted[:, channel] = design @ np.linalg.lstsq(design[mask], column[mask], rcond=None)[0]
    return fitted


def unstable(stability: np.ndarray, n_restarts: int) -> list[Finding]:
    """Sources that other restarts do not reproduce; ``stability (n,)`` of ``stradiff.assess.stability``."""
    return [
        warning(
            "unstable",
            f"{named([k])} differs between restarts (stability {stability[k]:.2f} over {n_restarts} restarts); use "
            "fewer n_components, a simpler mixing, or do not rely on this source.",
            [k],
        )
        for k in np.flatnonzero(stability < LEAST_STABILITY).tolist()
    ]
