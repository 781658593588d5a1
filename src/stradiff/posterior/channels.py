"""The recording as the posterior takes it: in channels whose noise is equally strong.

The model takes the noise of all normalised channels for equal. Where whitening made them, that of weak directions is
the stronger one, and what belongs together would be judged by the average. A matrix can be told for the channels
themselves, each in its own standard deviation, so there the posterior is that of white noise in the recording. Where
noise is what the priors leave over of the sources, it is stronger in strong directions: then whitened channels suit it
better, and the other noise drowns weak directions. The likelihood of the recording decides between the two.

A bent map stays as it was trained: what its noise has to hold are its own errors, which are those of normalised
channels.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from stradiff.config import Settings
from stradiff.data import Normaliser
from stradiff.model.model import Model
from stradiff.posterior.segments import negative_log_likelihood


def in_channels(normaliser: Normaliser, model: Model, *, as_trained: bool = False) -> tuple[Normaliser, Model]:
    """What brings a recording into such channels, and the model of these.

    Both are as they are where the map is bent, and where noise is equally strong ``as_trained``.
    """
    if as_trained or not model.mixing.is_linear:
        return normaliser, model
    scale = np.linalg.norm(normaliser.inverse_matrix, axis=0)
    channels = Normaliser(normaliser.mean, np.diag(1.0 / scale), np.diag(scale))
    matrix = (normaliser.inverse_matrix / scale).T @ np.asarray(model.mixing.matrix, np.float64)
    return channels, eqx.tree_at(lambda told: told.mixing.matrix, model, jnp.asarray(matrix))


def noise_as_trained(
    normaliser: Normaliser, model: Model, values: np.ndarray, times: np.ndarray | None, settings: Settings
) -> bool:
    """Whether a recording ``(T, m)`` without gaps is likelier with noise equally strong in normalised channels."""
    mixed = normaliser.matrix.shape[0] == normaliser.matrix.shape[1] and np.any(
        normaliser.matrix != np.diag(np.diag(normaliser.matrix))
    )
    if not mixed or not model.mixing.is_linear:
        return False
    cost = {}
    for as_trained in (False, True):
        channels, told = in_channels(normaliser, model, as_trained=as_trained)
        volume = np.linalg.slogdet(channels.matrix)[1]  # densities are compared in the recording's own units
        cost[as_trained] = negative_log_likelihood(told, channels.forward(values), times, settings) - volume
    return bool(cost[True] < cost[False])
