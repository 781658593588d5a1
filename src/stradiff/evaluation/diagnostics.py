"""Can the answer be trusted? Sentences for the user, each naming what to do."""

from __future__ import annotations

from stradiff.fitting import Fit, Settings
from stradiff.fitting.callbacks import PATIENCE


def cautions(fit: Fit, settings: Settings) -> list[str]:
    """What a user must know about how the fit ended; empty when there is nothing."""
    if fit.diverged:
        return [
            f"The objective stopped being finite after epoch {fit.n_epochs}; the last good state is kept. "
            f"Lower learning_rate (now {settings.learning_rate:g})."
        ]
    if fit.interrupted:
        return [f"Stopped by hand after {fit.n_epochs} of {settings.max_epochs} epochs; the state reached is kept."]
    if settings.tol > 0 and not fit.converged and fit.n_epochs == settings.max_epochs:
        return [
            f"The objective was still falling by more than tol={settings.tol:g} per value and {PATIENCE} epochs when "
            f"max_epochs={settings.max_epochs} ended; raise max_epochs, or tol if the sources look settled."
        ]
    return []
