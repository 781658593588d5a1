"""Can the answer be trusted? What is wrong or worth knowing, each in a sentence that names what to do."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from stradiff.assess.diagnostics.alike import alike
from stradiff.assess.diagnostics.collapsed import collapsed, silenced_shares
from stradiff.assess.diagnostics.duplicated import duplicated, first_order
from stradiff.assess.diagnostics.ending import ending
from stradiff.assess.diagnostics.finding import Finding
from stradiff.assess.diagnostics.frequencies import learned_spectra, record_frequencies
from stradiff.assess.diagnostics.linear_suffices import linear_suffices
from stradiff.assess.diagnostics.misfit import misfit
from stradiff.assess.diagnostics.record_length import few_excursions, short_record
from stradiff.assess.diagnostics.unstable import unstable
from stradiff.errors import SeparationWarning
from stradiff.posterior import Separation
from stradiff.train import TrainingResult

OURS = (__name__.partition(".")[0], "sklearn")  # between a warning and whoever asked: fit_transform is sklearn's
LAST = 100  # epochs whose mean error is the error at the end: one draw of the start's noise varies

__all__ = ["Finding", "examine", "warn_of"]


def examine(
    separation: Separation,
    fit: TrainingResult,
    values: np.ndarray,
    sources: np.ndarray,
    spread: np.ndarray,
    stability: Sequence[float] | None = None,
    n_together: int | None = None,
) -> list[Finding]:
    """Everything that is found about a fit to ``values (T, m)``, NaN where missing.

    ``sources`` and ``spread (T, n)`` are posterior means and standard deviations, ``stability (n,)`` that over
    restarts, where there were any, ``n_together`` the samples of all recordings that were fitted together with it: they
    are what sources are told apart by.
    """
    settings, (n_samples, n_channels) = separation.settings, values.shape
    linear = separation.model.mixing.is_linear
    values, sources = values.astype(np.float64), sources.astype(np.float64)
    n_together = n_together or n_samples
    omega, weights = record_frequencies(n_together)
    (spectra, held), fitted = learned_spectra(separation, omega, n_samples), separation.mix(sources)
    columns = first_order(sources, separation.normaliser.forward(fitted))
    found = ending(fit, settings) + short_record(n_together)
    found += collapsed(sources.std(axis=0), silenced_shares(values, sources, separation.mix))
    found += duplicated(sources, columns)
    found += alike(spectra, weights, n_together, np.mean(spread.astype(np.float64) ** 2, axis=0), held)
    found += few_excursions(spectra, weights)
    if stability is not None:
        found += unstable(np.asarray(stability), settings.n_restarts)
    if fit.n_epochs:
        error = float(fit.history["reconstruction_mse"][-LAST:].mean())
        found += misfit(error, settings.nu_y, settings.n_sources, n_channels, linear=linear)
    if not linear:
        found += linear_suffices(values, sources, fitted, settings.nu_y)
    return found


def warn_of(found: Sequence[Finding]) -> None:
    """Python's warnings of all but notes, said to come from whoever called ``fit``."""
    for finding in found:
        if finding.severity == "warning":
            category = ConvergenceWarning if finding.kind == "ending" else SeparationWarning
            warnings.warn(finding.sentence, category, stacklevel=_levels_to_the_caller())


def _levels_to_the_caller() -> int:
    """How far up from whoever asks the first frame stands that is not of these packages."""
    frame, levels = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in OURS:
        frame, levels = frame.f_back, levels + 1
    return levels
