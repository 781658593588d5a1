"""The summary sentences of a report."""

from __future__ import annotations

from typing import Any

from stradiff.config import read_uncertainty
from stradiff.model.mixing import mixing_spec
from stradiff.model.priors import prior_spec


def band(facts: dict[str, Any]) -> str:
    """Definition of the 95 % band of a source; see docs/uncertainty.md."""
    return read_uncertainty(facts["model"]["settings"]["uncertainty"]).band


def sentence(facts: dict[str, Any]) -> str:
    """Model, explained variance and outcome of training, from :func:`stradiff.report.summary.summarise`."""
    recording, model = facts["recording"], facts["model"]
    mixing = mixing_spec(model["mixing"]).label
    priors = " or ".join(dict.fromkeys(prior_spec(source["prior"]).label for source in facts["sources"]))
    missing = recording["missing_share"]
    gaps = f"Missing values ({percent(missing)} of all) were left out of the fit and filled in. " if missing else ""
    return (
        f"{_count(recording['n_channels'], 'channel')} of “{recording['name']}” ({_extent(recording)}) are explained "
        f"by {_count(model['n_components'], 'source')}, mixed by {mixing}. Each source follows {priors}; together "
        f"they account for {percent(facts['explained_variance'])} of the channels' variance. {gaps}{_training(facts)}"
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
    training, settings = facts["training"], facts["model"]["settings"]["training"]
    epochs = _count(training["n_epochs"], "epoch")
    epochs += f" ({duration(training['seconds'])})" if training["seconds"] else ""
    if training["interrupted"]:
        return f"Training was interrupted after {epochs}: the results are those of its last state."
    if training["converged"]:
        return f"Training converged after {epochs}."
    if training["n_epochs"] < settings["max_epochs"]:
        if any(finding["kind"] == "ending" for finding in facts["diagnostics"]):
            return f"Training diverged after {epochs}: the results are those of the last finite state."
        return f"Training was stopped after {epochs} by a callback."
    if settings["tol"] > 0:
        return f"Training used all of its {epochs} and had not yet converged."
    return f"Training used all of its {epochs}, without a convergence criterion (tol=0)."
