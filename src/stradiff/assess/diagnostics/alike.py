"""Sources whose learned spectra are too alike to be told apart over a record of this length."""

from __future__ import annotations

import numpy as np
from scipy.sparse.csgraph import connected_components

from stradiff.assess.diagnostics.finding import Finding, percent, sentence_about
from stradiff.posterior.cross_talk import expected_cross_talk

TOLERATED = 0.05  # of a source's power, 13 dB below it; learned spectra are smoother than true ones: 1 % cried wolf


def alike(
    spectra: np.ndarray,
    weights: np.ndarray,
    n_samples: int,
    noise: float | np.ndarray = 0.0,
    held: np.ndarray | None = None,
) -> list[Finding]:
    """One finding for every set of sources that may be mixed with each other.

    The measure is ``expected_cross_talk``, the least power of one source in another that any method leaves which goes by
    spectra and by what priors that are not Gaussian know of amplitudes beside.

    Parameters
    ----------
    spectra, weights : arrays (n, F) and (F,)
        Power of every source, and each frequency's share in the mean.
    n_samples : int
    noise : float or array (n,)
        Variance of the error of each source, beside its own variance of one.
    held : array (n, F), optional
        One over the Fisher information of every source, where that is not its spectrum.
    """
    cross_talk = expected_cross_talk(spectra, weights, n_samples, noise, held)
    worst = np.maximum(cross_talk, cross_talk.T)
    n_sets, member = connected_components(worst > TOLERATED, directed=False)
    sets = [np.flatnonzero(member == label).tolist() for label in range(n_sets)]
    return [_finding(which, worst[np.ix_(which, which)].max(), n_samples) for which in sets if len(which) > 1]


def _finding(sources: list[int], cross_talk: float, n_samples: int) -> Finding:
    sentence = (
        f"{sentence_about(sources)} have spectra too alike to be told apart by them over {n_samples:,} samples: about "
        f"{percent(cross_talk)} of the power of one may belong to another; record longer, or treat them as one group, "
        "unless their amplitudes are distributed differently and a second method (FastICA) agrees."
    )
    return Finding("alike", "warning", tuple(sources), sentence)
