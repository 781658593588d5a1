"""Cross-talk between sources after linear mixing: the Cramer-Rao bound given their spectra.

Two estimates s^_k = s_k + w_kj s_j and s^_j = s_j + w_jk s_k of independent stationary Gaussian sources, T samples
long, of spectra f_k and f_j, with white noise of variances v_k and v_j on them, carry the Fisher information

    J = T [[ <f_j f_j / g>, <f_j f_k / g> ], [ <f_j f_k / g>, <f_k f_k / g> ]],   g = (f_k + v_k) (f_j + v_j),

about (w_kj, w_jk), <.> the mean over frequencies (Pham & Garat 1997 and Doron, Yeredor & Tichavsky 2007 without noise).
For a non-Gaussian source, h_k <= f_k, one over its Fisher information, replaces the f_k of g in <f_j f_j / g>, the
information about w_kj. The cross term stays, because the score of any density and its values covary by one. Sources
of one spectrum are therefore identified as well, if at most one of them is Gaussian.

The inverse of J bounds the covariance of both coefficients from below. Spectra of one shape leave J singular: the
likelihood does not depend on a rotation of the pair. One unit of prior information for each coefficient (Van Trees
1968) is negligible beside an informative J, and gives a variance of 1/2 without one: the mean of sin^2 over all
rotations.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

POWER_FLOOR = 1e-12  # of a source's power: smaller values of a spectrum are rounding errors


class CrossTalk(eqx.Module):
    """Uncertain linear cross-talk, s_k + sum_j w_kj s_j, by the second moments of w."""

    moments: Float[Array, "n n 2 2"]
    """``[k, j]`` of (w_kj, w_jk)"""

    def draw(self, sources: Float[Array, "n T"], key: PRNGKeyArray) -> Float[Array, "n T"]:
        """The cross-talk of one draw of w."""
        return self.coefficients(key) @ sources

    def variance(self, sources: Float[Array, "n T"]) -> Float[Array, "n T"]:
        """Variance of the cross-talk in every source: sum_j var(w_kj) s_j^2."""
        return self.moments[:, :, 0, 0] @ sources**2

    def coefficients(self, key: PRNGKeyArray) -> Float[Array, "n n"]:
        """One draw of w, pair by pair."""
        n_sources = self.moments.shape[0]
        factor = jnp.linalg.cholesky(self.moments + 1e-300 * jnp.eye(2)[None, None])  # the diagonal is zero, not NaN
        pairs = jnp.einsum("kjab,kjb->kja", factor, jax.random.normal(key, (n_sources, n_sources, 2)))
        upper = jnp.triu(jnp.ones((n_sources, n_sources)), 1)
        return upper * pairs[:, :, 0] + (upper * pairs[:, :, 1]).T


def cross_talk_covariance(
    spectra: np.ndarray,
    weights: np.ndarray,
    n_samples: int,
    noise: float | np.ndarray = 0.0,
    inverse_information: np.ndarray | None = None,
) -> np.ndarray:
    """Covariance of (w_kj, w_jk) for every pair: (J + I)^-1 of sources scaled to unit variance.

    Parameters
    ----------
    spectra : array (n, F)
        Power spectrum of every source, in any unit: each is scaled to unit variance here.
    weights : array (F,)
        Share of each frequency in the mean, summing to one.
    n_samples : int
        T.
    noise : float or array (n,)
        Variance of the white noise on each estimate, of unit variance itself. It hides the frequencies at which a
        smooth source has no power.
    inverse_information : array (n, F), optional
        h of every source, in the unit of ``spectra``, which is the default and holds for Gaussian sources.

    Returns
    -------
    array (n, n, 2, 2)
        ``[k, j]`` of (w_kj, w_jk); zero where k = j.
    """
    spectra = np.asarray(spectra, np.float64)
    held = spectra if inverse_information is None else np.asarray(inverse_information, np.float64)
    variance, noise = (spectra @ weights)[:, None], np.broadcast_to(noise, len(spectra))[:, None]
    power, held = np.maximum(spectra / variance, POWER_FLOOR), np.maximum(held / variance, POWER_FLOOR)
    total = power + noise
    own = (weights / (held + noise)) @ (power**2 / total).T  # [k, j]: <f_j f_j / g>
    cross = (weights * power / total) @ (power / total).T
    information = n_samples * np.stack([np.stack([own, cross], -1), np.stack([cross, own.T], -1)], -2)
    covariance = np.linalg.inv(information + np.eye(2))
    covariance[np.arange(len(power)), np.arange(len(power))] = 0.0
    return covariance


def expected_cross_talk(
    spectra: np.ndarray,
    weights: np.ndarray,
    n_samples: int,
    noise: float | np.ndarray = 0.0,
    inverse_information: np.ndarray | None = None,
) -> np.ndarray:
    """Variance of the cross-talk coefficient of source j, of unit variance, in source k.

    Parameters are those of ``cross_talk_covariance``.

    Returns
    -------
    array (n, n)
        Row k: the coefficients in source k, zero on the diagonal. From 0 to 1: the share of power that j has in k.

    Examples
    --------
    >>> white, coloured = [1.0, 1.0], [1.9, 0.1]
    >>> expected_cross_talk(np.array([white, coloured]), np.array([0.5, 0.5]), 1000).round(4)
    array([[0.    , 0.0012],
           [0.0002, 0.    ]])
    """
    return cross_talk_covariance(spectra, weights, n_samples, noise, inverse_information)[:, :, 0, 0]
