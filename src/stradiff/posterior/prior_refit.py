"""The priors that the sources of a linear map ask for once the map is known.

Training takes nu_y of every channel for noise. Beside that much noise priors come out smoother than the sources of a
cleaner recording are; what they leave over would pass for noise and be filtered out, though the map is as good as ever.
So the priors that the sources ask for as they come out of the inverse map, all of them source, are weighed against the
trained ones, each beside the noise that it makes the recording likeliest with.

That likelihood is one of second moments (``posterior.laplace``). Of the modes of a mixture it knows nothing, and it is
these that keep such a source clean of the others: priors not told by their spectrum stay as they were trained.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from stradiff.config import Settings
from stradiff.initialise.prior_selection import tuned_and_judged
from stradiff.model.model import Model
from stradiff.posterior.segments import negative_log_likelihood, segments_of


def with_refitted_priors(model: Model, observed: np.ndarray, times: np.ndarray | None, settings: Settings) -> Model:
    """The model with the likelier priors; ``observed (T, m)`` normalised, all of it seen. Inside ``numerics()``.

    As it is where the map is bent, the record is trained by windows, or priors are untrained or not told by spectra.
    """
    by_windows = segments_of(len(observed), settings, times) is not None
    told = all(group.identified_by_spectrum for group in model.priors.groups)
    if not model.mixing.is_linear or by_windows or not told or not settings.lambda_prior:
        return model
    unmixed = np.linalg.pinv(np.asarray(model.mixing.matrix, np.float64)) @ observed.T
    there = None if times is None else jnp.asarray(times)
    # As the warm start has them, in single precision: its program serves again.
    priors, _ = tuned_and_judged(model.priors, jnp.asarray(unmixed, jnp.float32), there)
    other = eqx.tree_at(lambda one: one.priors, model, priors)
    trained, anew = (negative_log_likelihood(one, observed, times, settings) for one in (model, other))
    return other if anew < trained else model
