"""Diagnostics of a fit: all findings about it, and their Python warnings."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from sklearn.exceptions import ConvergenceWarning

from stradiff.assess import findings as checks
from stradiff.assess.findings import Finding
from stradiff.errors import SeparationWarning
from stradiff.model.compiled import quick_jit
from stradiff.model.numerics import numerics
from stradiff.model.priors import PriorSet
from stradiff.posterior import Separation
from stradiff.train import TrainingResult

PACKAGES = (__name__.partition(".")[0], "sklearn")  # between a warning and the caller: fit_transform is sklearn's
LAST_EPOCHS = 100  # over which the final error is averaged: one draw of the start's noise varies
ALL_FREQUENCIES = 1024  # cycles per record up to which every frequency is used; as many represent all higher ones

__all__ = ["Finding", "diagnose", "emit_warnings", "record_frequencies"]


def diagnose(
    separation: Separation,
    fit: TrainingResult,
    values: np.ndarray,
    sources: np.ndarray,
    spread: np.ndarray,
    stability: Sequence[float] | None = None,
    n_together: int | None = None,
) -> list[Finding]:
    """All findings about a fit to ``values (T, m)``, NaN where missing.

    ``sources`` and ``spread (T, n)`` are posterior means and standard deviations, ``stability (n,)`` that over
    restarts, where there were any, ``n_together`` the number of samples of all recordings that were fitted with one
    map, which is the length of the record for the statistics of sources.
    """
    settings, (n_samples, n_channels) = separation.settings, values.shape
    values, sources = values.astype(np.float64), sources.astype(np.float64)
    n_together = n_together or n_samples
    omega, weights = record_frequencies(n_together)
    spectra, inverse_information = learned_spectra(separation, omega, n_samples)
    fitted, variance = separation.mix(sources), np.mean(spread.astype(np.float64) ** 2, axis=0)
    findings = checks.ending(fit, settings) + checks.short_record(n_together)
    findings += checks.collapsed(sources.std(axis=0), checks.silenced_shares(values, sources, separation.mix))
    findings += checks.duplicated(sources, checks.first_order(sources, separation.normaliser.forward(fitted)))
    findings += checks.alike(spectra, weights, n_together, variance, inverse_information)
    findings += checks.few_excursions(spectra, weights)
    if stability is not None:
        findings += checks.unstable(np.asarray(stability), settings.n_restarts)
    if fit.n_epochs:
        error = float(fit.history["reconstruction_mse"][-LAST_EPOCHS:].mean())
        linear = settings.mixing.is_linear
        findings += checks.misfit(error, settings.objective.nu_y, settings.n_sources, n_channels, linear=linear)
    if not settings.mixing.is_linear:
        findings += checks.linear_suffices(values, sources, fitted, settings.objective.nu_y)
    return findings


def record_frequencies(n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """``omega (F,)`` in radians per sample and ``weights (F,)``, summing to one, of 1 .. T/2 cycles per record.

    Without frequency 0: the mean is not part of a source.
    """
    highest = max(n_samples // 2, 1)
    cycles = np.arange(1, min(highest, ALL_FREQUENCIES) + 1)
    if highest > ALL_FREQUENCIES:
        cycles = np.union1d(cycles, np.geomspace(ALL_FREQUENCIES, highest, ALL_FREQUENCIES).astype(int))
    weights = np.gradient(cycles.astype(float)) if len(cycles) > 1 else np.ones(1)
    return 2.0 * np.pi * cycles / n_samples, weights / weights.sum()


def learned_spectra(separation: Separation, omega: np.ndarray, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Power ``(n, F)`` of every source's prior at ``omega``, in the order shown, and its inverse Fisher information.

    The latter is less than the power where a prior is not Gaussian.
    """
    with numerics():
        spectra, precisions = _spectra(separation.model.priors, jnp.asarray(omega), n_samples)
    order = separation.readout.order
    return np.asarray(spectra, np.float64)[order], 1.0 / np.asarray(precisions, np.float64)[order]


@quick_jit
def _spectra(priors: PriorSet, omega: Array, n_samples: int) -> tuple[Array, Array]:
    return priors.spectra(omega, n_samples), priors.precisions(omega, n_samples)


def emit_warnings(findings: Sequence[Finding]) -> None:
    """Python warnings of all findings but notes, attributed to the caller of ``fit``."""
    for finding in findings:
        if finding.severity == "warning":
            category = ConvergenceWarning if finding.kind == "ending" else SeparationWarning
            warnings.warn(finding.sentence, category, stacklevel=_caller_level())


def _caller_level() -> int:
    """Number of frames from the calling function up to the first one outside ``PACKAGES``."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in PACKAGES:
        frame, level = frame.f_back, level + 1
    return level
