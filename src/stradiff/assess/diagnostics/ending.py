"""How training ended."""

from __future__ import annotations

from stradiff.assess.diagnostics.finding import Finding
from stradiff.config import Settings
from stradiff.train import TrainingResult
from stradiff.train.callbacks import PATIENCE


def ending(fit: TrainingResult, settings: Settings) -> list[Finding]:
    """Whether training diverged, was stopped by hand, or used up its epochs before it settled."""
    return [Finding("ending", "warning", (), sentence) for sentence in _sentences(fit, settings)]


def _sentences(fit: TrainingResult, settings: Settings) -> list[str]:
    if fit.diverged:
        return [
            f"The objective stopped being finite after epoch {fit.n_epochs}; the last good state is kept. "
            f"Lower learning_rate (now {settings.learning_rate:g})."
        ]
    if fit.interrupted and not fit.n_epochs:
        return ["Stopped by hand before the first epoch; the sources are those training starts from."]
    if fit.interrupted:
        return [f"Stopped by hand after {fit.n_epochs} of {settings.max_epochs} epochs; the state reached is kept."]
    if settings.tol > 0 and not fit.converged and fit.n_epochs == settings.max_epochs:
        return [
            f"The fit had not settled after max_epochs={settings.max_epochs} epochs; raise max_epochs, or raise tol "
            f"(now {settings.tol:g}: the fall of the objective per value of the recording over {PATIENCE} epochs)."
        ]
    return []
