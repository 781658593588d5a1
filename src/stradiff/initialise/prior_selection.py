"""Which prior suits which source: by Schwarz's (1978) criterion, of the sources that training starts from."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from stradiff.config import AUTO, Configuration
from stradiff.initialise.priors import build_priors
from stradiff.model.compiled import quick_jit
from stradiff.model.concatenation import Concatenation
from stradiff.model.priors import PriorSet, PriorSpec, prior_spec

SMOOTH = "rbf"
FAMILIES = (SMOOTH, "matern32", "matern12", "ar")  # smooth, once differentiable, rough, resonant; all quick at any T
ON_IRREGULAR_TIMES = (SMOOTH, "matern32", "matern12")
STRUCTURED = ("ar_student", "gmm_ar")  # of any spectrum: bursts, or none at many degrees of freedom; several modes

MIN_SAMPLES = 1000  # of fewer, smooth sources are not identified surely (stradiff.initialise.rotation.DECISIVE)


def prior_choice(config: Configuration, n_samples: int, *, even: bool) -> str | tuple[PriorSpec, ...]:
    """``config.prior``; where it is None: ``"auto"`` for a linear mixing of a whole, long recording, else smooth.

    ``even``: one recording on a regular grid, without gaps.
    """
    if config.prior is not None:
        return AUTO if config.prior == AUTO else config.initial_priors
    selects = even and n_samples >= MIN_SAMPLES and config.init != "random"
    return AUTO if selects and rotates(config.replace(prior=AUTO), n_samples) else config.initial_priors


def rotates(config: Configuration, n_samples: int) -> bool:
    """Whether a recording on a regular grid starts from rotated sources (``stradiff.initialise.rotation``)."""
    return config.prior == AUTO and config.mixing.is_linear and config.segment_length(n_samples) is None


def select_priors(
    config: Configuration,
    sources: Float[Array, "n T"],
    times: Float[Array, " T"] | None,
    layout: Concatenation | None = None,
) -> PriorSet:
    """The prior of every source: the best of ``"auto"``, with the most likely parameters where none are given."""
    n_samples = sources.shape[1] if layout is None else layout.length
    if config.prior == AUTO:
        families = FAMILIES if times is None else ON_IRREGULAR_TIMES
        return best_of([build_family(name, len(sources), n_samples) for name in families], sources, times, layout)[0]
    specs = config.initial_priors
    priors = build_priors(specs, n_samples)
    if not any(spec.is_tuned for spec in specs):
        return priors
    best, _ = tuned(priors, sources, times, layout)
    each = [(best if spec.is_tuned else priors).prior(k) for k, spec in enumerate(specs)]
    return PriorSet.of(each, priors.names)


def build_family(prior: str | PriorSpec, n_sources: int, n_samples: int) -> PriorSet:
    """The same prior for all sources."""
    return build_priors((prior_spec(prior),) * n_sources, n_samples)


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
