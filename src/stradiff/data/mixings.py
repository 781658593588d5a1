"""Simulated mixings, drawn by seed: linear, post-nonlinear (one nonlinearity per channel), and network."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise, zip_longest

import numpy as np

from stradiff.data.checks import check_count
from stradiff.errors import OptionError

Seed = int | np.random.Generator


@dataclass(frozen=True, eq=False)
class Nonlinearity:
    """``x -> f((x - centre) / scale)`` per column, ``f`` increasing and onto the real numbers.

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
            raise OptionError(f"slope={self.slope!r} must be in (0, 1]: at 0 the mixing is not invertible.")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Nonlinearity of ``x (T, m)``."""
        x = (x - self.centre) / self.scale
        if self.activation == "tanh":
            return np.tanh(x) + 0.1 * x
        return np.where(x > 0, x, self.slope * x)

    def calibrated(self, x: np.ndarray) -> Nonlinearity:
        """The nonlinearity with ``x`` standardised at its input, so that its curvature takes effect."""
        return replace(self, centre=x.mean(axis=0), scale=x.std(axis=0))


@dataclass(frozen=True, eq=False)
class SimulatedMixing:
    """``Y = ... A_2 f_1(A_1 S)`` with matrices ``(m, n), (m, m), ...``, each but perhaps the last with a nonlinearity.

    A linear mixing has one matrix, a post-nonlinear one a matrix and a nonlinearity, a network a linear last layer.
    Injective if the matrices have full column rank.
    """

    matrices: tuple[np.ndarray, ...]
    nonlinearities: tuple[Nonlinearity, ...] = ()

    def __post_init__(self) -> None:
        n_layers, n_given = len(self.matrices), len(self.nonlinearities)
        if n_given not in (n_layers - 1, n_layers):
            raise OptionError(
                f"nonlinearities has {n_given} entries, but {n_layers} matrices need {n_layers - 1} or {n_layers}."
            )

    @property
    def matrix(self) -> np.ndarray:
        """The matrix ``(m, n)`` of the first layer, and of a linear mixing."""
        return self.matrices[0]

    def __call__(self, S: np.ndarray) -> np.ndarray:
        """Channels ``(T, m)`` of sources ``(T, n)``."""
        for matrix, nonlinearity in zip_longest(self.matrices, self.nonlinearities):
            S = S @ matrix.T if nonlinearity is None else nonlinearity(S @ matrix.T)
        return S

    def calibrated(self, S: np.ndarray) -> SimulatedMixing:
        """The mixing with every nonlinearity scaled to its input for the sources ``S``."""
        calibrated: list[Nonlinearity] = []
        for matrix, nonlinearity in zip(self.matrices, self.nonlinearities, strict=False):
            S = S @ matrix.T
            calibrated.append(nonlinearity.calibrated(S))
            S = calibrated[-1](S)
        return replace(self, nonlinearities=tuple(calibrated))


def random_linear(n: int, m: int, condition_number: float = 3.0, seed: Seed = 0) -> SimulatedMixing:
    """A linear mixing ``(m, n)`` with random orthogonal factors and log-spaced singular values.

    The singular values run from ``sqrt(condition_number)`` to its inverse, so that the condition number is exact.
    """
    return SimulatedMixing((_conditioned(n, m, condition_number, np.random.default_rng(seed)),))


def random_network(
    n: int,
    m: int,
    n_layers: int = 2,
    activation: str = "leaky_relu",
    slope: float = 0.2,
    condition_number: float = 3.0,
    seed: Seed = 0,
) -> SimulatedMixing:
    """A network of ``n_layers`` matrices with the given condition number; not yet calibrated."""
    check_count("n_layers", n_layers, least=1)
    rng = np.random.default_rng(seed)
    widths = [n] + [m] * n_layers
    matrices = [_conditioned(a, b, condition_number, rng) for a, b in pairwise(widths)]
    return SimulatedMixing(tuple(matrices), (Nonlinearity(activation, slope),) * (n_layers - 1))


def random_post_nonlinear(
    n: int,
    m: int,
    activation: str = "tanh",
    slope: float = 0.2,
    condition_number: float = 3.0,
    seed: Seed = 0,
) -> SimulatedMixing:
    """A random linear mixing with a nonlinearity per channel; not yet calibrated."""
    return SimulatedMixing(random_linear(n, m, condition_number, seed).matrices, (Nonlinearity(activation, slope),))


def _conditioned(n: int, m: int, condition_number: float, rng: np.random.Generator) -> np.ndarray:
    check_count("the number of sources", n, least=1)
    if m < n:
        raise OptionError(f"{n} sources need at least {n} channels, not {m}: the mixing would not be invertible.")
    if not 1 <= condition_number <= 1e8:
        raise OptionError(f"condition_number={condition_number!r} must be from 1 to 1e8.")
    singular = np.geomspace(condition_number**0.5, condition_number**-0.5, n)
    return (_orthonormal(m, n, rng) * singular) @ _orthonormal(n, n, rng).T


def _orthonormal(rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """Orthonormal columns with Haar distribution: QR of normal draws, with the signs of R removed."""
    q, r = np.linalg.qr(rng.standard_normal((rows, columns)))
    return q * np.sign(np.diagonal(r))
