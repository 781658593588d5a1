"""Whether the record is long enough for what was learned from it."""

from __future__ import annotations

import numpy as np

from stradiff.assess.diagnostics.finding import Finding, sentence_about

FEWEST_SAMPLES = 100  # two independent white series of this length correlate by 0.1 by chance alone (1 / sqrt T)
SLOW_SHARE = 0.5  # of a source's power at one cycle per record: an RBF length-scale of a tenth of the record has 0.55


def few_excursions(spectra: np.ndarray, weights: np.ndarray) -> list[Finding]:
    """Sources that hardly go up and down once: nothing tells their correlations from chance.

    ``spectra (n, F)`` at ``record_frequencies``: the first column is one cycle per record.
    """
    share = spectra[:, 0] * weights[0] / (spectra @ weights)
    slow = np.flatnonzero(share > SLOW_SHARE).tolist()
    if not slow or spectra.shape[1] < 2:
        return []
    sentence = (
        f"{sentence_about(slow)} change{'s' if len(slow) == 1 else ''} so slowly that the record holds less than ten "
        "length-scales, too few independent excursions to tell correlation from chance; record longer, or remove slow "
        "trends before the fit."
    )
    return [Finding("few-excursions", "warning", tuple(slow), sentence)]


def short_record(n_samples: int) -> list[Finding]:
    """Too few samples for any statistics."""
    if n_samples >= FEWEST_SAMPLES:
        return []
    sentence = (
        f"With {n_samples} samples, independent sources correlate by about {n_samples**-0.5:.1f} by chance, which no "
        f"method can tell from mixing; record at least {FEWEST_SAMPLES} samples."
    )
    return [Finding("short-record", "warning", (), sentence)]
