"""Metrics of a separation against known truth.

Estimates ``(T, n_hat)`` are first matched to the truth ``(T, n)`` (``match_sources``); values per source are in the
order of the truth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from stradiff.assess.alignment import LARGEST, checked_pair, match_sources
from stradiff.errors import InputError, OptionError


def matched_correlation(estimate: ArrayLike, truth: ArrayLike, method: str = "pearson") -> np.ndarray:
    """Absolute correlation of each true source with its estimate, ``(n,)``: ``|corr(s_hat_k, s_k)|``, 0 to 1.

    0 for a source without a usable estimate. ``spearman`` correlates ranks.
    """
    if method not in ("pearson", "spearman"):
        raise OptionError(f"method={method!r} does not exist; choose pearson or spearman.")
    return match_sources(estimate, truth, rank=method == "spearman").correlation


def mean_correlation(estimate: ArrayLike, truth: ArrayLike, method: str = "pearson") -> float:
    """Mean correlation coefficient (MCC): ``(1 / n) sum_k |corr(s_hat_k, s_k)|``."""
    return float(matched_correlation(estimate, truth, method).mean())


def si_sdr(estimate: ArrayLike, truth: ArrayLike) -> np.ndarray:
    """Scale-invariant signal-to-distortion ratio (Le Roux et al. 2019), ``(n,)`` in dB.

    ``10 log10(|a s|^2 / |a s - s_hat|^2)`` with ``a = s_hat' s / |s|^2``, both centred. Infinite for a
    perfect estimate, minus infinity for a source without a usable one.
    """
    estimate, truth = checked_pair(estimate, truth)
    S_hat, S = match_sources(estimate, truth).apply(estimate), truth
    S_hat, S = S_hat - S_hat.mean(axis=0), S - S.mean(axis=0)
    target = S * (S_hat * S).sum(axis=0) / (S**2).sum(axis=0)
    signal, distortion = (target**2).sum(axis=0), ((target - S_hat) ** 2).sum(axis=0)
    with np.errstate(divide="ignore"):
        return 10 * (np.log10(signal) - np.log10(np.where(signal > 0, distortion, 1.0)))


def amari_distance(unmixing: ArrayLike, mixing: ArrayLike) -> float:
    """Distance of ``P = |W A|`` from a scaled permutation (Amari et al. 1996), from 0 (perfect) to 1.

    ``(1 / 2n(n-1)) [ sum_i (sum_j p_ij / max_k p_ik - 1) + sum_j (sum_i p_ij / max_k p_kj - 1) ]``

    Parameters
    ----------
    unmixing : array (n, m)
        ``W``, such as ``components_``.
    mixing : array (m, n)
        ``A``, the true one. A row or column of zeros in ``P`` (a lost source) counts as the worst.
    """
    W, A = np.asarray(unmixing, dtype=float), np.asarray(mixing, dtype=float)
    if W.ndim != 2 or W.shape != A.T.shape:
        raise InputError(f"unmixing {W.shape} and mixing {A.shape} must have the shapes (n, m) and (m, n).")
    P = np.abs(W @ A)
    if not np.isfinite(P).all():
        raise InputError("unmixing or mixing holds NaN, infinity or huge values.")
    n = len(P)
    if n == 1:
        return float(P[0, 0] == 0)
    P = np.where(P.max(axis=1, keepdims=True) > 0, P, 1.0)
    P = np.where(P.max(axis=0, keepdims=True) > 0, P, 1.0)
    rows = (P / P.max(axis=1, keepdims=True)).sum() - n
    columns = (P / P.max(axis=0, keepdims=True)).sum() - n
    return float((rows + columns) / (2 * n * (n - 1)))


def explained_variance(
    Y: ArrayLike, Y_hat: ArrayLike, *, per_channel: bool = False, mask: np.ndarray | None = None
) -> float | np.ndarray:
    """Share of each channel's variance that the reconstruction explains, averaged over channels of any unit.

    ``1 - sum_t (y - y_hat)^2 / sum_t (y - mean(y))^2`` per channel ``(m,)``, or its mean; at most 1, negative
    where the channel's mean is better. Only values that are ``mask (T, m)`` count; all by default.
    """
    if mask is not None:
        Y = np.where(mask, Y, Y_hat)
    Y_hat, Y = checked_pair(Y_hat, Y, names=("Y_hat", "Y"))
    if Y.shape != Y_hat.shape or not (np.abs(Y_hat) < LARGEST).all():
        raise InputError(f"Y_hat {Y_hat.shape} must be finite and have the shape of Y, {Y.shape}.")
    counted = np.ones(Y.shape, bool) if mask is None else mask
    total = ((Y - Y.mean(axis=0, where=counted)) ** 2).sum(axis=0, where=counted)
    share = 1 - ((Y - Y_hat) ** 2).sum(axis=0, where=counted) / total
    return share if per_channel else float(share.mean())


def coverage(mean: ArrayLike, sd: ArrayLike, truth: ArrayLike, level: float = 0.95) -> np.ndarray:
    """Share of samples whose true value lies in the central band: ``(n,)``, near ``level`` for calibrated bands.

    ``mean_t [ |s_kt - s_hat_kt| <= z sd_kt ]`` with ``z = Phi^-1((1 + level) / 2)``, with mean and sd
    aligned to the truth by the same scale. 0 for a source without a usable estimate.
    """
    if not 0 < level < 1:
        raise OptionError(f"level={level!r} must be between 0 and 1.")
    mean, truth = checked_pair(mean, truth)
    sd = np.asarray(sd, dtype=float)
    if sd.shape != mean.shape or (sd < 0).any():  # NaN accompanies an unusable mean
        raise InputError(f"sd {sd.shape} must be 0 or above and have the shape of mean, {mean.shape}.")
    matching = match_sources(mean, truth)
    half_width = norm.ppf((1 + level) / 2) * matching.apply_sd(sd)
    inside = np.abs(truth - matching.apply(mean)) <= half_width
    return np.where(matching.scale > 0, inside.mean(axis=0), 0.0)


def best_linear_unmixing(Y: ArrayLike, S: ArrayLike) -> np.ndarray:
    """The upper bound of all linear methods: least squares onto the true sources, ``(T, n)``.

    ``S_hat = (Y - mean) B + mean(S)`` with ``B = argmin |S - mean(S) - (Y - mean) B|^2``. It needs the
    truth; what a nonlinear method gains above it is due to its nonlinearity.
    """
    Y, S = checked_pair(Y, S, names=("Y", "S"))
    if not (np.abs(Y) < LARGEST).all():
        raise InputError("Y holds NaN, infinity or huge values; leave those samples out of both.")
    centred, spread = Y - Y.mean(axis=0), Y.std(axis=0)
    centred = centred / np.where(spread > 0, spread, 1.0)  # the rank must not depend on units
    weights, *_ = np.linalg.lstsq(centred, S - S.mean(axis=0), rcond=None)
    return centred @ weights + S.mean(axis=0)
