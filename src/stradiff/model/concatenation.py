"""Several recordings laid end to end: which rows belong to which, and which are padding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Array, Float


@dataclass(frozen=True)
class Concatenation:
    """R recordings, each padded at its end to the longest: ``(R * length, ..)`` rows, of one shape for the compiler.

    ``bare`` rows are those of the recordings alone, without the padding: ``(sum of lengths, ..)``.
    """

    lengths: tuple[int, ...]

    @property
    def count(self) -> int:
        """R."""
        return len(self.lengths)

    @property
    def length(self) -> int:
        """Samples of the longest recording, and of every part."""
        return max(self.lengths)

    @property
    def equal(self) -> bool:
        """Whether all are as long, and nothing is padding."""
        return min(self.lengths) == self.length

    @cached_property
    def inside(self) -> np.ndarray:
        """``(R, length)`` True where a row is a recording's."""
        return np.arange(self.length)[None, :] < np.array(self.lengths)[:, None]

    def shares(self) -> np.ndarray:
        """``(R,)``: span of every recording, as a share of the longest."""
        return (np.array(self.lengths) - 1.0) / (self.length - 1.0)

    def padded(self, bare: np.ndarray) -> np.ndarray:
        """Bare rows with every recording going on backwards from its end where padding is.

        A jump there would be an infinitely unlikely place of a smooth source, and training would begin by mending it.
        """
        ends = np.cumsum(self.lengths)[:-1]
        rests = [(0, self.length - length) for length in self.lengths]
        pieces = np.split(np.asarray(bare), ends)
        return np.concatenate(
            [
                np.pad(piece, [rest] + [(0, 0)] * (piece.ndim - 1), mode="reflect")
                for piece, rest in zip(pieces, rests, strict=True)
            ]
        )

    def bare(self, rows: np.ndarray) -> np.ndarray:
        """Rows ``(R * length, ..)`` without the padding."""
        return rows[self.inside.ravel()]

    def split(self, rows: np.ndarray) -> list[np.ndarray]:
        """Every recording's own, of rows ``(R * length, ..)``."""
        return [rows[where] for where in map(self.rows, range(self.count))]

    def rows(self, number: int) -> slice:
        """Where recording ``number``, from 0, stands."""
        return slice(number * self.length, number * self.length + self.lengths[number])

    def divided(self, trajectories: Float[Array, "n all"]) -> Float[Array, "n R length"]:
        """Trajectories of all recordings, one by one."""
        return trajectories.reshape(-1, self.count, self.length)
