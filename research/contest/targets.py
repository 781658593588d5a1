"""What StrADiff's default should reach, judged on the rows of one problem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from contest.methods import DEFAULT, ORACLE

Row = dict[str, Any]
Scores = dict[str, dict[int, Row]]
"""Rows of one problem that did not fail, by method and seed."""
Outcome = tuple[str, bool]
"""What was reached, and whether that is enough."""


@dataclass(frozen=True)
class Target:
    """A sentence, and the same as a rule."""

    text: str
    judge: Callable[[Scores], Outcome]
    rivals: tuple[str, ...] = ()
    """Methods whose rows the rule needs besides StrADiff's."""

    def outcome(self, scores: Scores) -> tuple[str, str]:
        """What was reached and "met", "missed" or "not run"."""
        needed = [scores.get(method, {}) for method in (DEFAULT, *self.rivals)]
        if not all(needed) or any(set(rows) != set(needed[0]) for rows in needed):
            return "", "not run"  # a comparison over different seeds would be none
        reached, met = self.judge(scores)
        return reached, "met" if met else "missed"


def correlations(scores: Scores, method: str = DEFAULT) -> np.ndarray:
    """Matched |Pearson| ``(seeds, n)``, seeds in increasing order."""
    return np.array([row["pearson"] for _, row in sorted(scores[method].items())])


def mean_of(scores: Scores, method: str = DEFAULT) -> np.ndarray:
    """Mean over sources ``(seeds,)``: the MCC."""
    return correlations(scores, method).mean(axis=1)


def _every_source(scores: Scores) -> Outcome:
    mine = correlations(scores)
    gap = (mine - correlations(scores, "SOBI")).min()
    return f"worst source {mine.min():.4f}, least gap to SOBI {gap:+.4f}", mine.min() >= 0.995 and gap >= -0.002


def _many_sources(scores: Scores) -> Outcome:
    median = np.median(mean_of(scores))
    return f"median {median:.4f}", median >= 0.98


def _above_linear_methods(scores: Scores) -> Outcome:
    mine, sobi, fastica = (np.median(mean_of(scores, method)) for method in (DEFAULT, "SOBI", "FastICA"))
    return f"median {mine:.4f}; SOBI {sobi:.4f}, FastICA {fastica:.4f}", mine > max(sobi, fastica)


def _leaky_relu(scores: Scores) -> Outcome:
    mean, worst = np.median(mean_of(scores)), np.median(correlations(scores).min(axis=1))
    linear = np.median(mean_of(scores, ORACLE))
    return f"mean {mean:.4f}, worst source {worst:.4f}; best linear {linear:.4f}", mean >= 0.98 and worst >= 0.95


def _above_oracle_mostly(scores: Scores) -> Outcome:
    mine, sobi = mean_of(scores), mean_of(scores, "SOBI")
    above, gap = int((mine > mean_of(scores, ORACLE)).sum()), (mine - sobi).min()
    met = above >= 0.8 * len(mine) and gap >= -0.01
    return f"above in {above} of {len(mine)} seeds; least gap to SOBI {gap:+.4f}", met


def _above_oracle(scores: Scores) -> Outcome:
    mine, linear = np.median(mean_of(scores)), np.median(mean_of(scores, ORACLE))
    return f"median {mine:.4f}; best linear {linear:.4f}", mine >= 0.985 and mine > linear


def _real(scores: Scores) -> Outcome:
    mine, sobi, fastica = (
        np.median(correlations(scores, method).min(axis=1)) for method in (DEFAULT, "SOBI", "FastICA")
    )
    return f"worst source {mine:.4f}; SOBI {sobi:.4f}, FastICA {fastica:.4f}", mine >= 0.97


EVERY_SOURCE = Target("every source at least 0.995 and at least SOBI - 0.002, in every seed", _every_source, ("SOBI",))
MANY_SOURCES = Target("mean over sources at least 0.98 (median over seeds)", _many_sources)
ABOVE_LINEAR_METHODS = Target("above SOBI and FastICA (median MCC)", _above_linear_methods, ("SOBI", "FastICA"))
LEAKY_RELU = Target("mean at least 0.98, worst source at least 0.95 (medians over seeds)", _leaky_relu, (ORACLE,))
ABOVE_ORACLE_MOSTLY = Target(
    "above the best linear unmixing in 8 of 10 seeds, in no seed below SOBI - 0.01",
    _above_oracle_mostly,
    (ORACLE, "SOBI"),
)
ABOVE_ORACLE = Target("mean at least 0.985 and above the best linear unmixing (medians)", _above_oracle, (ORACLE,))
REAL = Target("worst source at least 0.97 (median over seeds)", _real, ("SOBI", "FastICA"))
