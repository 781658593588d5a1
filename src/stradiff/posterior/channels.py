"""Channels of equal noise for the posterior.

Training assumes noise of equal strength in all normalised channels. Sensor noise is white in the recording: after
whitening it is stronger in weak directions, and the posterior under linear mixing is better computed in the recording's
channels, each scaled to unit variance. Power of the sources beyond their priors is noise of another kind, stronger in
strong directions, and nearer to equal in whitened channels. The likelihood of the recording decides between the two.

With nonlinear mixing the normalised channels stay: the errors of the map, its main noise, are those of training.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from stradiff.config import Configuration
from stradiff.data import Normaliser
from stradiff.model.model import Model
from stradiff.posterior.segments import negative_log_likelihood


def in_recording_channels(
    normaliser: Normaliser, model: Model, *, as_trained: bool = False
) -> tuple[Normaliser, Model]:
    """Normaliser and model for channels of the recording, each of unit variance.

    Unchanged for a nonlinear map, and where noise is of equal strength ``as_trained``.
    """
    if as_trained or not model.mixing.is_linear:
        return normaliser, model
    scale = np.linalg.norm(normaliser.inverse_matrix, axis=0)
    channels = Normaliser(normaliser.mean, np.diag(1.0 / scale), np.diag(scale))
    matrix = (normaliser.inverse_matrix / scale).T @ np.asarray(model.mixing.matrix, np.float64)
    return channels, eqx.tree_at(lambda model: model.mixing.matrix, model, jnp.asarray(matrix))


def noise_as_trained(
    normaliser: Normaliser, model: Model, values: np.ndarray, times: np.ndarray | None, settings: Configuration
) -> bool:
    """Whether equal noise in normalised channels makes a recording ``(T, m)`` without gaps more likely."""
    matrix = normaliser.matrix
    mixes_channels = matrix.shape[0] == matrix.shape[1] and np.any(matrix != np.diag(np.diag(matrix)))
    if not mixes_channels or not model.mixing.is_linear:
        return False
    cost = {}
    for as_trained in (False, True):
        channels, rescaled = in_recording_channels(normaliser, model, as_trained=as_trained)
        log_det = np.linalg.slogdet(channels.matrix)[1]  # densities are compared in the recording's own units
        cost[as_trained] = negative_log_likelihood(rescaled, channels.forward(values), times, settings) - log_det
    return bool(cost[True] < cost[False])
