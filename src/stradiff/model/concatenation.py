"""Several recordings concatenated along time, each padded to the longest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Array, Float


@dataclass(frozen=True)
class Concatenation:
    """Layout of R recordings, each padded at its end to the longest: arrays of ``R * length`` rows.

    The padding gives all recordings one shape for the compiler.
    """

    lengths: tuple[int, ...]

    @property
    def n_recordings(self) -> int:
        """R."""
        return len(self.lengths)

    @property
    def length(self) -> int:
        """Samples of the longest recording, and of every padded one."""
        return max(self.lengths)

    @property
    def equal_lengths(self) -> bool:
        """Whether there is no padding."""
        return min(self.lengths) == self.length

    @cached_property
    def mask(self) -> np.ndarray:
        """``(R, length)`` True for samples, False for padding."""
        return np.arange(self.length)[None, :] < np.array(self.lengths)[:, None]

    def relative_spans(self) -> np.ndarray:
        """``(R,)`` span of every recording relative to the longest."""
        return (np.array(self.lengths) - 1.0) / (self.length - 1.0)

    def pad(self, rows: np.ndarray) -> np.ndarray:
        """Rows ``(sum of lengths, ..)`` padded with reflections of the recordings about their ends.

        Padding with a jump would have a very low likelihood under a smooth prior, and dominate early training.
        """
        if self.equal_lengths:
            return rows
        recordings = np.split(np.asarray(rows), np.cumsum(self.lengths)[:-1])
        return np.concatenate(
            [
                np.pad(values, [(0, self.length - len(values))] + [(0, 0)] * (values.ndim - 1), mode="reflect")
                for values in recordings
            ]
        )

    def pad_mask(self, mask: np.ndarray | None, shape: tuple[int, int]) -> np.ndarray | None:
        """The mask of padded rows, False in the padding; None where there is neither padding nor a missing value.

        ``mask`` and ``shape (sum of T_r, m)`` are those of the rows without padding.
        """
        if self.equal_lengths:
            return mask
        observed = np.ones(shape) if mask is None else mask
        padded = np.zeros((self.n_recordings * self.length, *observed.shape[1:]))
        padded[self.mask.ravel()] = observed
        return padded

    def unpad(self, rows: np.ndarray) -> np.ndarray:
        """Rows ``(R * length, ..)`` without the padding, ``(sum of lengths, ..)``."""
        return rows[self.mask.ravel()]

    def split(self, rows: np.ndarray) -> list[np.ndarray]:
        """Rows ``(R * length, ..)`` of every recording, without the padding."""
        return [rows[self.rows(number)] for number in range(self.n_recordings)]

    def rows(self, number: int) -> slice:
        """Rows of recording ``number``, from 0."""
        return slice(number * self.length, number * self.length + self.lengths[number])

    def by_recording(self, trajectories: Float[Array, "n all"]) -> Float[Array, "n R length"]:
        """Trajectories with an axis of recordings."""
        return trajectories.reshape(-1, self.n_recordings, self.length)
