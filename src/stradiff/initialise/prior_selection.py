"""Which prior suits which source, by what the sources themselves say."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from stradiff.config import SMOOTH
from stradiff.model.compiled import quick_jit
from stradiff.model.concatenation import Concatenation
from stradiff.model.priors.prior_set import PriorSet

CANDIDATES = (SMOOTH, "matern32", "matern12", "ar")  # smooth, once differentiable, rough, resonant; all quick at any T
ON_IRREGULAR_TIMES = (SMOOTH, "matern32", "matern12")
STRUCTURED = ("ar_student", "gmm_ar")  # of any spectrum: bursts, or none at many degrees of freedom; several modes


@quick_jit
def tuned_and_judged(
    priors: PriorSet,
    sources: Float[Array, "n T"],
    times: Float[Array, " T"] | None,
    layout: Concatenation | None = None,
) -> tuple[PriorSet, Float[Array, " n"]]:
    """Every prior where its source is likeliest, and Schwarz's (1978) criterion there: k log T - 2 log p(s).

    Of several ``layout`` the likelihood is that of all of them. k counts all parameters, also those that settings hold
    fixed: these are the same for every prior of this module.
    """
    size = sum(leaf.size for leaf in jax.tree.leaves(priors)) / priors.n_sources
    if layout is not None:
        several = layout.by_recording(sources)
        tuned = priors.tuned_to_recordings(several)
        return tuned, size * jnp.log(sources.shape[1]) - 2.0 * tuned.log_prob_of_recordings(several)
    tuned = priors.tuned(sources, times)
    return tuned, size * jnp.log(sources.shape[1]) - 2.0 * tuned.log_prob(sources, times)


def best_of(
    banks: Sequence[PriorSet],
    sources: Float[Array, "n T"],
    times: Float[Array, " T"] | None,
    layout: Concatenation | None = None,
) -> PriorSet:
    """For every source the tuned prior with the least criterion; each bank holds one family for all sources."""
    return likeliest_of(banks, sources, times, layout)[0]


def likeliest_of(
    banks: Sequence[PriorSet],
    sources: Float[Array, "n T"],
    times: Float[Array, " T"] | None = None,
    layout: Concatenation | None = None,
) -> tuple[PriorSet, np.ndarray]:
    """The same, and the criterion ``(n,)`` of each."""
    tuned, criteria = zip(*(tuned_and_judged(bank, sources, times, layout) for bank in banks), strict=True)
    rows = np.asarray(criteria)
    rows = np.where(np.isfinite(rows), rows, np.inf)
    picks = np.argmin(rows, axis=0)
    names = [banks[pick].names[k] for k, pick in enumerate(picks)]
    return PriorSet.of([tuned[pick].prior(k) for k, pick in enumerate(picks)], names), rows.min(axis=0)
