"""What was done, in a sentence of plain English."""

from __future__ import annotations

from typing import Any

from stradiff.model.mixing import mixing_spec
from stradiff.model.priors import prior_spec

BANDS = {
    "laplace": "mean plus and minus 1.96 standard deviations of its posterior about its likeliest course, given prior, "
    "map and noise, together with what a record of this length leaves open about the mixing",
    "monte-carlo": "mean plus and minus 1.96 standard deviations of draws from its learned start, which are usually "
    "far too small",
}


def band(facts: dict[str, Any]) -> str:
    """What the 95 % band of a source is made of; see docs/uncertainty.md."""
    how = facts["model"]["settings"].get("uncertainty")
    return BANDS.get(how, "mean plus and minus 1.96 standard deviations")


def sentence(facts: dict[str, Any]) -> str:
    """Say what was explained by what, how well, and how training ended.

    Parameters
    ----------
    facts
        The dictionary of :func:`stradiff.report.summary.summarise`.
    """
    recording, model = facts["recording"], facts["model"]
    through = mixing_spec(model["mixing"]).label
    return (
        f"{_count(recording['n_channels'], 'channel')} of “{recording['name']}” ({_extent(recording)}) were "
        f"explained by {_count(model['n_components'], 'source')} that reach the channels through {through}. "
        f"Each source follows {_priors(facts['sources'])}; "
        f"together they account for {percent(facts['explained_variance'])} of the channels' variance. "
        f"{_missing(recording['missing_share'])}{_ending(facts)}"
    )


def _priors(sources: list[dict[str, Any]]) -> str:
    """The priors there are, each once, in the order of the sources."""
    return " or ".join(dict.fromkeys(prior_spec(source["prior"]).label for source in sources))


def percent(share: float) -> str:
    """A share as a reader wants it: "97.3 %"."""
    return f"{100 * share:.1f} %"


def duration(seconds: float) -> str:
    """A stretch of computing time as a reader wants it."""
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


def _missing(share: float) -> str:
    return f"Missing values ({percent(share)} of all) were left out of the fit and filled. " if share else ""


def _ending(facts: dict[str, Any]) -> str:
    training, settings = facts["training"], facts["model"]["settings"]
    epochs = _count(training["n_epochs"], "epoch")
    took = f" ({duration(training['seconds'])})" if training["seconds"] else ""
    if training["interrupted"]:
        return f"Training was interrupted after {epochs}{took}: what is shown is its state at that moment."
    if training["converged"]:
        return f"Training converged after {epochs}{took}."
    if training["n_epochs"] < settings.get("max_epochs", 0):
        if any(one["kind"] == "ending" for one in facts["diagnostics"]):
            return f"Training diverged after {epochs}{took}: what is shown is the last good state."
        return f"Training was ended after {epochs}{took} by what watched it, a callback."
    ending = f"Training used all of its {epochs}{took}"
    if settings.get("tol", 0) > 0:
        return f"{ending} and had not yet met its criterion of convergence."
    return f"{ending}, as asked: it had no criterion of convergence."
