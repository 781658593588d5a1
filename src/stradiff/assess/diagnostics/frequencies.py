"""Where the learned spectra are looked at: at the frequencies that a record of T samples can tell apart."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from stradiff.model.compiled import quick_jit
from stradiff.model.numerics import numerics
from stradiff.model.priors import PriorSet
from stradiff.posterior import Separation

EXACT = 1024  # cycles per record up to which every frequency is visited; beyond, about as many stand for the rest


def record_frequencies(n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """``omega (F,)`` in radians per sample and ``weights (F,)``, summing to one, of 1 .. T/2 cycles per record.

    Without frequency 0: a mean is not part of a source.
    """
    highest = max(n_samples // 2, 1)
    cycles = np.arange(1, min(highest, EXACT) + 1)
    if highest > EXACT:
        cycles = np.union1d(cycles, np.geomspace(EXACT, highest, EXACT).astype(int))
    weights = np.gradient(cycles.astype(float)) if len(cycles) > 1 else np.ones(1)
    return 2.0 * np.pi * cycles / n_samples, weights / weights.sum()


def learned_spectra(separation: Separation, omega: np.ndarray, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Power ``(n, F)`` that the prior of every source has at ``omega``, in the order in which sources are shown.

    And one over its Fisher information, which is less where a source is not Gaussian.
    """
    with numerics():
        raw, precisions = _spectra(separation.model.priors, jnp.asarray(omega), n_samples)
    shown = separation.readout.order
    return np.asarray(raw, np.float64)[shown], 1.0 / np.asarray(precisions, np.float64)[shown]


@quick_jit
def _spectra(priors: PriorSet, omega: Array, n_samples: int) -> tuple[Array, Array]:
    return priors.spectra(omega, n_samples), priors.precisions(omega, n_samples)
