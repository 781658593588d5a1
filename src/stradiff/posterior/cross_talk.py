"""How far sources can be told apart by their spectra: the least cross_talk of one into another.

Two estimates s^_k = s_k + w_kj s_j and s^_j = s_j + w_jk s_k of independent stationary Gaussian sources, T samples
long, of spectra f_k and f_j, under white noise of variances v_k and v_j on them, carry the Fisher information

    J = T [[ <f_j f_j / g>, <f_j f_k / g> ], [ <f_j f_k / g>, <f_k f_k / g> ]],   g = (f_k + v_k) (f_j + v_j),

about (w_kj, w_jk), <.> the mean over frequencies (Pham & Garat 1997 and Doron, Yeredor & Tichavsky 2007 without noise).
A source that is not Gaussian is held more tightly than its spectrum says, as tightly as by h_k <= f_k, one over its
Fisher information: in what w_kj changes of it, <f_j f_j / g>, h_k stands for the f_k of g. The cross term stays, as a
density's score and its values covary by one whatever the density. So sources of one spectrum can be told apart as well,
if at most one of them is Gaussian.
Its inverse bounds the covariance of both coefficients from below (Cramer & Rao). Spectra of one shape leave J singular:
the likelihood of a rotation of the pair is flat. One unit of prior information for each coefficient (Van Trees 1968)
notices nothing where J says anything, and gives 1/2 there, as an angle between two sources that may be any has sin^2
of mean 1/2.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

KNOWABLE = 1e-12  # of a source's power: below, a spectrum is rounding, and its inverse would claim certainty


class CrossTalk(eqx.Module):
    """Sources leaking into each other, s_k + sum_j w_kj s_j, by the second moments of w."""

    moments: Float[Array, "n n 2 2"]
    """``[k, j]`` of (w_kj, w_jk)"""

    def draw(self, sources: Float[Array, "n T"], key: PRNGKeyArray) -> Float[Array, "n T"]:
        """What one draw of w adds to these sources."""
        return self.coefficients(key) @ sources

    def variance(self, sources: Float[Array, "n T"]) -> Float[Array, "n T"]:
        """What w adds to the variance of every source over time: sum_j var(w_kj) s_j^2."""
        return self.moments[:, :, 0, 0] @ sources**2

    def coefficients(self, key: PRNGKeyArray) -> Float[Array, "n n"]:
        """One draw of w, pair by pair."""
        n_sources = self.moments.shape[0]
        factor = jnp.linalg.cholesky(self.moments + 1e-300 * jnp.eye(2)[None, None])  # nothing on the diagonal, not NaN
        pairs = jnp.einsum("kjab,kjb->kja", factor, jax.random.normal(key, (n_sources, n_sources, 2)))
        upper = jnp.triu(jnp.ones((n_sources, n_sources)), 1)
        return upper * pairs[:, :, 0] + (upper * pairs[:, :, 1]).T


def cross_talk_covariance(
    spectra: np.ndarray,
    weights: np.ndarray,
    n_samples: int,
    noise: float | np.ndarray = 0.0,
    held: np.ndarray | None = None,
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
        Variance of the white noise on each estimate, beside the source's one: it hides what a smooth source's empty
        frequencies would tell.
    held : array (n, F), optional
        h of every source, in the unit of ``spectra``; those by default, which is right for Gaussian sources.

    Returns
    -------
    array (n, n, 2, 2)
        ``[k, j]`` of (w_kj, w_jk); zero where k = j.
    """
    spectra = np.asarray(spectra, np.float64)
    unit, white = (spectra @ weights)[:, None], np.broadcast_to(noise, len(spectra))[:, None]
    power = np.maximum(spectra / unit, KNOWABLE)
    tight = power if held is None else np.maximum(np.asarray(held, np.float64) / unit, KNOWABLE)
    total = power + white
    ratio = (weights / (tight + white)) @ (power**2 / total).T  # [k, j]: <f_j f_j / g>
    cross = (weights * power / total) @ (power / total).T
    information = n_samples * np.stack([np.stack([ratio, cross], -1), np.stack([cross, ratio.T], -1)], -2)
    covariance = np.linalg.inv(information + np.eye(2))
    covariance[np.arange(len(power)), np.arange(len(power))] = 0.0
    return covariance


def expected_cross_talk(
    spectra: np.ndarray,
    weights: np.ndarray,
    n_samples: int,
    noise: float | np.ndarray = 0.0,
    held: np.ndarray | None = None,
) -> np.ndarray:
    """Variance of the coefficient with which source j, of unit variance, leaks into source k.

    Parameters are those of ``cross_talk_covariance``.

    Returns
    -------
    array (n, n)
        Row k: what leaks into source k; zero on the diagonal. From 0 to 1: the share of power that j has in k.

    Examples
    --------
    >>> flat, falling = [1.0, 1.0], [1.9, 0.1]
    >>> expected_cross_talk(np.array([flat, falling]), np.array([0.5, 0.5]), 1000).round(4)
    array([[0.    , 0.0012],
           [0.0002, 0.    ]])
    """
    return cross_talk_covariance(spectra, weights, n_samples, noise, held)[:, :, 0, 0]
