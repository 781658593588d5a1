"""What makes a source a source: the interface every prior keeps (Eqs. 17-21)."""

from __future__ import annotations

import abc

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray
from tinygp.solvers.quasisep.core import SymmQSM

from stradiff.errors import OptionError
from stradiff.model.specification import Specification


class Prior(eqx.Module):
    """A density over one source trajectory whose parameters adapt to that source.

    A prior is written for one trajectory ``(T,)``; the model holds one per source in a ``PriorSet``, which stacks
    those of one family along a leading axis, so every field is an array or static. ``times`` is ``None`` on a regular
    grid, otherwise ``(T,)`` increasing and normalised to [0, 1].
    """

    @property
    def is_gaussian(self) -> bool:
        """Whether the density is that of a Gaussian process: then ``precision_spectrum`` is as here."""
        return type(self).precision_spectrum is Prior.precision_spectrum

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

    def precision_spectrum(self, omega: Float[Array, " F"], n_samples: int) -> Float[Array, " F"]:
        """How tightly the density holds a source, by frequency: the spectrum of E[-d^2 log p / ds ds'].

        This Fisher information is what Laplace's approximation (``stradiff.train.volume``) needs. For a Gaussian
        prior it is one over the spectrum, as here; any other density of the same spectrum holds its source more
        tightly, and should say by how much.
        """
        return 1.0 / self.spectrum(omega, n_samples)

    def covariance(self, times: Float[Array, " T"]) -> Float[Array, "T T"]:
        """The inverse of that Fisher information at irregular times; ``precision_spectrum`` has it on a grid."""
        raise OptionError(
            f"{type(self).__name__} knows no covariance at irregular times; resample to a regular grid, or use "
            "uncertainty='monte-carlo'."
        )

    def quasi_separable(self, times: Float[Array, " T"]) -> SymmQSM | None:
        """The same covariance in O(T) numbers, where the prior has a state-space form; None: it has none."""
        return None

    def tuned(self, source: Float[Array, " T"], times: Float[Array, " T"] | None) -> Prior:
        """The same prior with its parameters where this source is likeliest: where training starts.

        It is compiled, so it changes arrays and never the structure. A prior that does not look for such a place starts
        where it was made.
        """
        return self

    def of_segment(self, share: float) -> Prior:
        """The same density, with whatever it counts in records counted in segments, each ``share`` of a record.

        What is counted in samples stays as it is.
        """
        raise OptionError(f"{type(self).__name__} does not describe segments of a record; use segment_length='whole'.")

    @property
    @abc.abstractmethod
    def length_scale(self) -> Float[Array, ""]:
        """How far the source remembers itself, in units of the record."""


class PriorSpec(Specification):
    """A prior before it is built; a subclass adds its options as fields, with defaults.

    ``name`` and ``label`` ("an RBF Gaussian process") are class attributes or properties of a subclass.
    """

    @property
    def order(self) -> int:
        """How many samples before it a sample depends on, where that is a number; 0 elsewhere."""
        return 0

    @property
    def is_gaussian(self) -> bool:
        """See ``Prior.is_gaussian``."""
        return self.build(1).is_gaussian

    @property
    def is_tuned(self) -> bool:
        """Whether training begins at the parameters that are most likely for the initial sources."""
        return True

    def takes_matrices(self, *, regular: bool) -> bool:
        """Whether its density holds T x T numbers: on a regular grid, or on irregular times."""
        return not regular

    @abc.abstractmethod
    def build(self, n_samples: int) -> Prior:
        """The prior of one source of ``n_samples``, at its initial parameters."""
