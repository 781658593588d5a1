"""The recording as the posterior takes it: in channels whose noise is equally strong.

The model takes the noise of all normalised channels for equal. Where whitening made them, that of weak directions is
the stronger one, and what belongs together would be judged by the average. A matrix can be told for the channels
themselves, each in its own standard deviation, so there the posterior is that of white noise in the recording. A bent
map stays as it was trained: what its noise has to hold are its own errors, which are those of normalised channels.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from stradiff.model.mixing import Linear
from stradiff.model.model import Model
from stradiff.observations import Normaliser


def in_channels(normaliser: Normaliser, model: Model) -> tuple[Normaliser, Model]:
    """What brings a recording into such channels, and the model of these; both as they are where the map is bent."""
    if not isinstance(model.mixing, Linear):
        return normaliser, model
    scale = np.linalg.norm(normaliser.inverse_matrix, axis=0)
    channels = Normaliser(normaliser.mean, np.diag(1.0 / scale), np.diag(scale))
    matrix = (normaliser.inverse_matrix / scale).T @ np.asarray(model.mixing.matrix, np.float64)
    return channels, eqx.tree_at(lambda told: told.mixing.matrix, model, jnp.asarray(matrix))
