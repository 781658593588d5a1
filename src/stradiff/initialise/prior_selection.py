"""Which prior suits which source: by Schwarz's (1978) criterion, of the sources that training starts from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from stradiff.config import AUTO, SMOOTH, Settings
from stradiff.initialise.priors import priors_of
from stradiff.model.compiled import quick_jit
from stradiff.model.concatenation import Concatenation
from stradiff.model.priors import PriorSet

FAMILIES = (SMOOTH, "matern32", "matern12", "ar")  # smooth, once differentiable, rough, resonant; all quick at any T
ON_IRREGULAR_TIMES = (SMOOTH, "matern32", "matern12")
STRUCTURED = ("ar_student", "gmm_ar")  # of any spectrum: bursts, or none at many degrees of freedom; several modes

MIN_SAMPLES = 1000  # of fewer, smooth sources are not identified surely (stradiff.initialise.rotation.DECISIVE)
OF_SMOOTH_PRIOR = ("sigma_f", "jitter", "learn_sigma_f", "learn_jitter", "solver")  # any change of these asks for it


def prior_choice(settings: Settings, n_samples: int, *, even: bool) -> str | tuple[str, ...]:
    """``settings.prior``; where it is None: ``"auto"`` for a linear mixing of a whole, long recording, else smooth.

    ``even``: one recording on a regular grid, without gaps. A setting of the smooth prior asks for that one.
    """
    if settings.prior is not None:
        return settings.prior
    default = settings.length_scale_init is None and all(
        getattr(settings, name) == getattr(Settings, name) for name in OF_SMOOTH_PRIOR
    )
    selects = even and default and n_samples >= MIN_SAMPLES and settings.init != "random"
    return AUTO if selects and rotates(dataclasses.replace(settings, prior=AUTO), n_samples) else SMOOTH


def rotates(settings: Settings, n_samples: int) -> bool:
    """Whether a recording on a regular grid starts from rotated sources (``stradiff.initialise.rotation``)."""
    return settings.prior == AUTO and settings.mixing == "linear" and settings.window_size(n_samples) is None


def select_priors(
    settings: Settings,
    sources: Float[Array, "n T"],
    times: Float[Array, " T"] | None,
    layout: Concatenation | None = None,
) -> PriorSet:
    """The prior of every source: the best of ``"auto"``, with the most likely parameters where none are given."""
    n_samples = sources.shape[1] if layout is None else layout.length
    if settings.prior != AUTO:
        priors = priors_of(settings, n_samples)
        return priors if settings.length_scale_init is not None else tuned(priors, sources, times, layout)[0]
    families = FAMILIES if times is None else ON_IRREGULAR_TIMES
    prior_sets = [priors_of(dataclasses.replace(settings, prior=name), n_samples) for name in families]
    priors, _ = best_of(prior_sets, sources, times, layout)
    if settings.length_scale_init is not None:
        return priors_of(dataclasses.replace(settings, prior=priors.names), n_samples)
    return priors


def best_of(
    prior_sets: Sequence[PriorSet],
    sources: Float[Array, "n T"],
    times: Float[Array, " T"] | None = None,
    layout: Concatenation | None = None,
) -> tuple[PriorSet, np.ndarray]:
    """For every source the tuned prior of least criterion, and that criterion ``(n,)``.

    Each set holds one family for all sources.
    """
    every, criteria = zip(*(tuned(priors, sources, times, layout) for priors in prior_sets), strict=True)
    rows = np.asarray(criteria)
    rows = np.where(np.isfinite(rows), rows, np.inf)
    picks = np.argmin(rows, axis=0)
    names = [prior_sets[pick].names[k] for k, pick in enumerate(picks)]
    return PriorSet.of([every[pick].prior(k) for k, pick in enumerate(picks)], names), rows.min(axis=0)


@quick_jit
def tuned(
    priors: PriorSet,
    sources: Float[Array, "n T"],
    times: Float[Array, " T"] | None,
    layout: Concatenation | None = None,
) -> tuple[PriorSet, Float[Array, " n"]]:
    """Every prior where its source is most likely, and Schwarz's criterion there: k log T - 2 log p(s).

    Of several recordings the likelihood is that of all of them. k counts all parameters, also those that settings hold
    fixed: these are the same for every prior of this module.
    """
    size = sum(leaf.size for leaf in jax.tree.leaves(priors)) / priors.n_sources
    if layout is not None:
        recordings = layout.by_recording(sources)
        best = priors.tuned_to_recordings(recordings)
        return best, size * jnp.log(sources.shape[1]) - 2.0 * best.log_prob_of_recordings(recordings)
    best = priors.tuned(sources, times)
    return best, size * jnp.log(sources.shape[1]) - 2.0 * best.log_prob(sources, times)
