"""The interface of noise-prediction networks (Eq. 12)."""

from __future__ import annotations

import abc

import equinox as eqx
from jaxtyping import Array, Float


class Network(eqx.Module):
    """eps_theta: R^T x [0, 1] -> R^T of one source."""

    @abc.abstractmethod
    def __call__(self, trajectory: Float[Array, " T"], level: Float[Array, ""]) -> Float[Array, " T"]:
        """Predict the noise in ``trajectory`` at ``level`` = tau / L."""
