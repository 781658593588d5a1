"""What makes a source a source: the interface every prior keeps (Eqs. 17-21)."""

from __future__ import annotations

import abc

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray


class Prior(eqx.Module):
    """A density over one source trajectory whose parameters adapt to that source.

    A prior is written for one trajectory ``(T,)``; the model holds one per source, stacked along a leading
    axis. ``times`` is ``None`` on a regular grid, otherwise ``(T,)`` increasing and normalised to [0, 1].
    """

    @abc.abstractmethod
    def log_prob(self, source: Float[Array, " T"], times: Float[Array, " T"] | None) -> Float[Array, ""]:
        """Log-density of one trajectory."""

    @abc.abstractmethod
    def sample(self, key: PRNGKeyArray, n_samples: int, times: Float[Array, " T"] | None) -> Float[Array, " T"]:
        """Draw one trajectory of ``n_samples`` points."""

    @abc.abstractmethod
    def spectrum(self, omega: Float[Array, " F"], n_samples: int) -> Float[Array, " F"]:
        """Power spectrum at ``omega`` (radians per sample) of a record of ``n_samples``; white noise of variance
        one has spectrum one. On irregular times the mean spacing counts as the sample.
        """

    @property
    @abc.abstractmethod
    def length_scale(self) -> Float[Array, ""]:
        """How far the source remembers itself, in units of the record."""
