"""How far sources can be told apart by their spectra: the least leakage of one into another.

Two estimates s^_k = s_k + w_kj s_j and s^_j = s_j + w_jk s_k of independent stationary Gaussian sources of unit
variance, T samples long and of spectra f_k and f_j, carry the Fisher information

    J = T [[ <f_j / f_k>, 1 ], [ 1, <f_k / f_j> ]]      about (w_kj, w_jk), <.> the mean over frequencies

(Pham & Garat 1997; Doron, Yeredor & Tichavsky 2007). Its inverse bounds the variance of both coefficients from below
(Cramer & Rao). Spectra of one shape leave J singular: the likelihood of a rotation of the pair is flat.
"""

from __future__ import annotations

import numpy as np

KNOWABLE = 1e-12  # of a source's power: below, a spectrum is rounding, and its inverse would claim certainty


def expected_leakage(
    spectra: np.ndarray, weights: np.ndarray, n_samples: int, floor: float | np.ndarray = 0.0
) -> np.ndarray:
    """Variance of the coefficient with which source j, of unit variance, leaks into source k.

    ``[(J + I)^-1]_kk``: the bound above with one unit of prior information for each coefficient (Van Trees 1968), which
    nothing notices where J says anything, and which gives 1/2 for spectra of one shape, as an angle between two sources
    that may be any has sin^2 of mean 1/2.

    Parameters
    ----------
    spectra : array (n, F)
        Power spectrum of every source, in any unit: each is scaled to unit variance here.
    weights : array (F,)
        Share of each frequency in the mean, summing to one.
    n_samples : int
        T.
    floor : float or array (n,)
        Variance, beside the source's one, of the white noise in each estimate; it is added to the spectra. Without,
        a smooth kernel's empty frequencies would tell sources apart that noise hides.

    Returns
    -------
    array (n, n)
        Row k: what leaks into source k; zero on the diagonal. From 0 to 1: the share of power that j has in k.

    Examples
    --------
    >>> flat, falling = [1.0, 1.0], [1.9, 0.1]
    >>> expected_leakage(np.array([flat, falling]), np.array([0.5, 0.5]), 1000).round(4)
    array([[0.    , 0.0012],
           [0.0002, 0.    ]])
    """
    spectra = np.asarray(spectra, np.float64)
    power = spectra / (spectra @ weights)[:, None] + np.broadcast_to(floor, len(spectra))[:, None]
    power = np.maximum(power, KNOWABLE)
    ratio = (weights / power) @ power.T  # [k, j]: <f_j / f_k>
    own, other = n_samples * ratio + 1.0, n_samples * ratio.T + 1.0
    leakage = other / (own * other - float(n_samples) ** 2)
    np.fill_diagonal(leakage, 0.0)
    return leakage
