"""Sources that another start of training does not find again."""

from __future__ import annotations

import numpy as np

from stradiff.assess.diagnostics.finding import Finding, sentence_about

LEAST_STABILITY = 0.9  # matched correlation: below, fits disagree about a fifth of a source's variance


def unstable(stability: np.ndarray, n_restarts: int) -> list[Finding]:
    """``stability (n,)`` as ``stradiff.assess.stability`` has it."""
    loose = np.flatnonzero(stability < LEAST_STABILITY).tolist()
    return [
        Finding(
            "unstable",
            "warning",
            (k,),
            f"{sentence_about([k])} comes out differently from other starts (stability {stability[k]:.2f} over "
            f"{n_restarts} restarts); use fewer n_components, a simpler mixing, or do not rely on this source.",
        )
        for k in loose
    ]
