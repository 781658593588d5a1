"""The summary sentences of a report."""

from __future__ import annotations

from typing import Any

PRIORS = {
    "rbf": "RBF Gaussian-process",
    "matern12": "Matérn-1/2 Gaussian-process",
    "matern32": "Matérn-3/2 Gaussian-process",
    "matern52": "Matérn-5/2 Gaussian-process",
    "periodic": "periodic",
    "locally_periodic": "locally periodic",
    "spectral_mixture": "spectral-mixture",
    "ar": "autoregressive",
}

MAPS = {
    "linear": "a linear map",
    "post_nonlinear": "a linear map and one increasing curve per channel",
    "residual": "a nonlinear map (a small neural network beside a linear one)",
    "mlp": "a nonlinear map (a small neural network)",
    "invertible": "a nonlinear map that can be undone (invertible couplings)",
}

BANDS = {
    "laplace": "the posterior mean plus and minus 1.96 posterior standard deviations, given prior, map and noise, with "
    "the uncertainty of the mixing in a record of this length",
    "monte-carlo": "mean plus and minus 1.96 standard deviations of draws from the learned start, which are usually "
    "far too small",
}


def band(facts: dict[str, Any]) -> str:
    """Definition of the 95 % band of a source; see docs/uncertainty.md."""
    uncertainty = facts["model"]["settings"].get("uncertainty")
    return BANDS.get(uncertainty, "mean plus and minus 1.96 standard deviations")


def sentence(facts: dict[str, Any]) -> str:
    """Model, explained variance and outcome of training, from :func:`stradiff.report.summary.summarise`."""
    recording, model = facts["recording"], facts["model"]
    mixing = MAPS.get(model["mixing"], f"the map {model['mixing']}")
    priors = " or ".join(dict.fromkeys(PRIORS.get(source["prior"], source["prior"]) for source in facts["sources"]))
    missing = recording["missing_share"]
    gaps = f"Missing values ({percent(missing)} of all) were left out of the fit and filled in. " if missing else ""
    return (
        f"{_count(recording['n_channels'], 'channel')} of “{recording['name']}” ({_extent(recording)}) are explained "
        f"by {_count(model['n_components'], 'source')}, mixed by {mixing}. The sources have {priors} structure in "
        f"time; together they account for {percent(facts['explained_variance'])} of the channels' variance. "
        f"{gaps}{_training(facts)}"
    )


def percent(share: float) -> str:
    """A share in per cent: "97.3 %"."""
    return f"{100 * share:.1f} %"


def duration(seconds: float) -> str:
    """A computing time in seconds, minutes or hours."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _extent(recording: dict[str, Any]) -> str:
    samples = f"{recording['n_samples']:,} samples"
    if recording["time_unit"] == "samples":
        return samples
    rate = recording["sampling_rate"]
    return f"{samples}, {recording['span']:.4g} s" + (f" at {rate:g} Hz" if rate else ", irregular in time")


def _training(facts: dict[str, Any]) -> str:
    """Number of epochs, time, and the reason why training ended."""
    training, settings = facts["training"], facts["model"]["settings"]
    epochs = _count(training["n_epochs"], "epoch")
    epochs += f" ({duration(training['seconds'])})" if training["seconds"] else ""
    if training["interrupted"]:
        return f"Training was interrupted after {epochs}: the results are those of its last state."
    if training["converged"]:
        return f"Training converged after {epochs}."
    if training["n_epochs"] < settings.get("max_epochs", 0):
        if any(finding["kind"] == "ending" for finding in facts["diagnostics"]):
            return f"Training diverged after {epochs}: the results are those of the last finite state."
        return f"Training was stopped after {epochs} by a callback."
    if settings.get("tol", 0) > 0:
        return f"Training used all of its {epochs} and had not yet converged."
    return f"Training used all of its {epochs}, without a convergence criterion (tol=0)."
