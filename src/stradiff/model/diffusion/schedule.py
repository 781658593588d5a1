"""The variance-preserving noise schedule: beta, alpha and alpha-bar (Eq. 10), with alpha-bar_0 = 1."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from stradiff.errors import OptionError

COSINE_OFFSET = 0.008  # Nichol & Dhariwal 2021: a lower bound on the first steps
MAX_BETA = 0.999  # ibid.: keeps alpha-bar_L, by which Eq. 13 divides, above zero


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A schedule of L noise levels.

    Parameters
    ----------
    length : L, the number of reverse steps.
    kind : {"linear", "cosine"}
        Linear beta (Ho et al. 2020) or cosine alpha-bar (Nichol & Dhariwal 2021).
    beta_first, beta_last : beta_1 and beta_L of the linear kind.
    """

    length: int = 20
    kind: str = "linear"
    beta_first: float = 1e-4
    beta_last: float = 0.02

    def __post_init__(self) -> None:
        if self.kind not in ("linear", "cosine"):
            raise OptionError(f"There is no noise schedule {self.kind!r}; choose 'linear' or 'cosine'.")
        if self.length < 1:
            raise OptionError(f"The diffusion length must be at least 1, not {self.length}.")
        if not 0.0 < self.beta_first <= self.beta_last < 1.0:
            raise OptionError(
                f"The linear schedule needs 0 < beta_first <= beta_last < 1, not {self.beta_first}, {self.beta_last}."
            )

    @property
    def beta(self) -> np.ndarray:
        """beta_1 .. beta_L."""
        if self.kind == "linear":
            return np.linspace(self.beta_first, self.beta_last, self.length)
        phase = (np.arange(self.length + 1) / self.length + COSINE_OFFSET) / (1.0 + COSINE_OFFSET)
        level = np.cos(0.5 * np.pi * phase) ** 2
        return np.minimum(1.0 - level[1:] / level[:-1], MAX_BETA)

    @functools.cached_property
    def alpha_bar(self) -> np.ndarray:
        """alpha-bar_0 .. alpha-bar_L: the cumulative product of alpha = 1 - beta, with alpha-bar_0 = 1."""
        return np.concatenate([[1.0], np.cumprod(1.0 - self.beta)])
