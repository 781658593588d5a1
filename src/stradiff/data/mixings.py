"""Mixings with known truth: linear, a linear map with a bend per channel, a network; all drawn by seed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Protocol, runtime_checkable

import numpy as np

from stradiff.errors import OptionError

Seed = int | np.random.Generator


@runtime_checkable
class Mixing(Protocol):
    """A fixed map from sources ``(T, n)`` to channels ``(T, m)``."""

    def __call__(self, S: np.ndarray) -> np.ndarray:
        """Channels ``(T, m)`` of sources ``(T, n)``."""
        ...

    def calibrated(self, S: np.ndarray) -> Mixing:
        """The same map with every bend scaled to the spread that ``S`` has in front of it."""
        ...


@dataclass(frozen=True, eq=False)
class LinearMixing:
    """``Y = S A'`` with ``matrix`` ``A (m, n)``."""

    matrix: np.ndarray

    def __call__(self, S: np.ndarray) -> np.ndarray:
        """Channels ``(T, m)`` of sources ``(T, n)``."""
        return S @ self.matrix.T

    def calibrated(self, S: np.ndarray) -> LinearMixing:
        """Itself: nothing bends."""
        return self


@dataclass(frozen=True, eq=False)
class Nonlinearity:
    """``x -> f((x - centre) / scale)``, per column; both ``f`` are increasing from and onto all real numbers.

    ``f`` is ``leaky_relu`` (slope 1 above zero, ``slope`` below) or ``tanh`` (``tanh(x) + 0.1 x``).
    """

    activation: str = "leaky_relu"
    slope: float = 0.2
    centre: np.ndarray = field(default_factory=lambda: np.zeros(1))
    scale: np.ndarray = field(default_factory=lambda: np.ones(1))

    def __post_init__(self) -> None:
        if self.activation not in ("leaky_relu", "tanh"):
            raise OptionError(f"activation={self.activation!r} does not exist; choose leaky_relu or tanh.")
        if not 0 < self.slope <= 1:
            raise OptionError(f"slope={self.slope!r} must be in (0, 1]: at 0 the mixing cannot be undone.")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Nonlinearity ``x (T, m)``."""
        x = (x - self.centre) / self.scale
        if self.activation == "tanh":
            return np.tanh(x) + 0.1 * x
        return np.where(x > 0, x, self.slope * x)

    def calibrated(self, x: np.ndarray) -> Nonlinearity:
        """The bend that sees ``x`` with mean 0 and variance 1, so that its curved part is really used."""
        return replace(self, centre=x.mean(axis=0), scale=x.std(axis=0))


@dataclass(frozen=True, eq=False)
class PostNonlinearMixing:
    """``Y = bend(S A')``: a linear mixing, then one bend per channel, as of a sensor that saturates."""

    matrix: np.ndarray
    bend: Nonlinearity

    def __call__(self, S: np.ndarray) -> np.ndarray:
        """Channels ``(T, m)`` of sources ``(T, n)``."""
        return self.bend(S @ self.matrix.T)

    def calibrated(self, S: np.ndarray) -> PostNonlinearMixing:
        """The same mixing with its bend scaled to ``S``."""
        return replace(self, bend=self.bend.calibrated(S @ self.matrix.T))


@dataclass(frozen=True, eq=False)
class NetworkMixing:
    """``Y = A_K b_{K-1}( ... A_2 b_1(A_1 S))``: matrices ``(m, n), (m, m), ...``, bends between.

    The last layer is linear. One to one whenever the matrices have full column rank.
    """

    matrices: tuple[np.ndarray, ...]
    bends: tuple[Nonlinearity, ...]

    def __post_init__(self) -> None:
        if len(self.bends) != len(self.matrices) - 1:
            wanted = len(self.matrices) - 1
            raise OptionError(f"bends has {len(self.bends)} entries, but these matrices need {wanted}.")

    def __call__(self, S: np.ndarray) -> np.ndarray:
        """Channels ``(T, m)`` of sources ``(T, n)``."""
        for matrix, bend in zip(self.matrices, self.bends, strict=False):
            S = bend(S @ matrix.T)
        return S @ self.matrices[-1].T

    def calibrated(self, S: np.ndarray) -> NetworkMixing:
        """The same network with every bend scaled to what ``S`` brings to it."""
        bends: list[Nonlinearity] = []
        for matrix, bend in zip(self.matrices, self.bends, strict=False):
            S = S @ matrix.T
            bends.append(bend.calibrated(S))
            S = bends[-1](S)
        return replace(self, bends=tuple(bends))


def random_linear(n: int, m: int, condition_number: float = 3.0, seed: Seed = 0) -> LinearMixing:
    """A linear mixing ``(m, n)``: random orthogonal factors around log-spaced singular values.

    The singular values run from ``sqrt(condition_number)`` to its inverse, so the condition number is exact.
    """
    return LinearMixing(_conditioned(n, m, condition_number, np.random.default_rng(seed)))


def random_network(
    n: int,
    m: int,
    n_layers: int = 2,
    activation: str = "leaky_relu",
    slope: float = 0.2,
    condition_number: float = 3.0,
    seed: Seed = 0,
) -> NetworkMixing:
    """A network of ``n_layers`` matrices of that condition number; ``.calibrated(S)`` sets its bends."""
    check_count("n_layers", n_layers, least=1)
    rng = np.random.default_rng(seed)
    widths = [n] + [m] * n_layers
    matrices = [_conditioned(a, b, condition_number, rng) for a, b in pairwise(widths)]
    return NetworkMixing(tuple(matrices), (Nonlinearity(activation, slope),) * (n_layers - 1))


def random_post_nonlinear(
    n: int,
    m: int,
    activation: str = "tanh",
    slope: float = 0.2,
    condition_number: float = 3.0,
    seed: Seed = 0,
) -> PostNonlinearMixing:
    """A random linear mixing with a bend per channel; ``.calibrated(S)`` sets the bends."""
    return PostNonlinearMixing(random_linear(n, m, condition_number, seed).matrix, Nonlinearity(activation, slope))


def _conditioned(n: int, m: int, condition_number: float, rng: np.random.Generator) -> np.ndarray:
    check_count("the number of sources", n, least=1)
    if m < n:
        raise OptionError(f"{n} sources need at least {n} channels, not {m}: fewer cannot be undone.")
    if not 1 <= condition_number <= 1e8:
        raise OptionError(f"condition_number={condition_number!r} must be from 1 to 1e8.")
    singular = np.geomspace(condition_number**0.5, condition_number**-0.5, n)
    return (_orthonormal(m, n, rng) * singular) @ _orthonormal(n, n, rng).T


def _orthonormal(rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """Orthonormal columns without a preferred direction (Haar): QR of normal draws, signs of R undone."""
    q, r = np.linalg.qr(rng.standard_normal((rows, columns)))
    return q * np.sign(np.diagonal(r))


def check_count(name: str, value: int, least: int) -> None:
    """Refuse what is not a whole number from ``least`` on."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise OptionError(f"{name}={value!r} must be a whole number of at least {least}.")
