"""Density of any stationary Gaussian process on a regular grid: exact, in O(T log^2 T) time and O(T) memory.

The covariance is Toeplitz, and the first column of its inverse, which ``schur`` finds, generates all of K^-1 (Gohberg
& Semencul 1972): solving takes a few FFTs, and so does the gradient in the autocovariance, which needs no more than the
sums along the diagonals of K^-1.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from stradiff.model.priors import schur
from stradiff.model.priors.cepstral import power_of_two

Scalar = Float[Array, ""]


@jax.custom_vjp
def log_det_and_quadratic(source: Float[Array, " T"], autocovariance: Float[Array, " T"]) -> tuple[Scalar, Scalar]:
    """log|K| and s' K^-1 s, K_ij = r_|i-j|."""
    return _forward(source, autocovariance)[0]


def _forward(source: Array, autocovariance: Array) -> tuple[tuple[Scalar, Scalar], tuple[Array, Array]]:
    log_det, column = schur.log_det_and_first_column(autocovariance)
    first = _solve(source, column)
    left_over = source - _multiplied(autocovariance, first)
    solution = first + _solve(left_over, column)  # one refinement
    return (log_det, source @ solution), (solution, column)


def _backward(kept: tuple[Array, Array], cotangents: tuple[Scalar, Scalar]) -> tuple[Array, Array]:
    """d log|K| = tr(K^-1 dK),  d (s' K^-1 s) = 2 u' ds - u' dK u,  u = K^-1 s."""
    solution, column = kept
    of_log_det, of_quadratic = cotangents
    along_diagonals = of_log_det * _diagonal_sums(column) - of_quadratic * _correlated(solution, solution)
    return 2.0 * of_quadratic * solution, along_diagonals * jnp.where(jnp.arange(solution.shape[0]) == 0, 1.0, 2.0)


log_det_and_quadratic.defvjp(_forward, _backward)


def _solve(right: Float[Array, " T"], column: Float[Array, " T"]) -> Float[Array, " T"]:
    """K^-1 b = (X X' - Y Y') b / x_0, X and Y lower Toeplitz with first columns x and (0, x_{T-1} .. x_1)."""
    x, y = column, _turned(column)
    return (_convolved(x, _correlated(x, right)) - _convolved(y, _correlated(y, right))) / column[0]


def _multiplied(autocovariance: Float[Array, " T"], values: Float[Array, " T"]) -> Float[Array, " T"]:
    """K v."""
    before, after = _convolved(autocovariance, values), _correlated(autocovariance, values)
    return before + after - autocovariance[0] * values


def _diagonal_sums(column: Float[Array, " T"]) -> Float[Array, " T"]:
    """sum_i (K^-1)_{i,i+k} = 1/x_0 sum_p (T - k - p) (x_p x_{p+k} - y_p y_{p+k}), x and y as in ``_solve``."""
    n_samples = column.shape[0]
    turned = _turned(column)
    place = jnp.arange(n_samples)
    plain = _correlated(column, column) - _correlated(turned, turned)
    weighted = _correlated(place * column, column) - _correlated(place * turned, turned)
    return ((n_samples - place) * plain - weighted) / column[0]


def _turned(column: Float[Array, " T"]) -> Float[Array, " T"]:
    """(0, x_{T-1} .. x_1)."""
    return jnp.concatenate([jnp.zeros(1), column[:0:-1]])


def _correlated(left: Float[Array, " T"], right: Float[Array, " T"]) -> Float[Array, " T"]:
    """sum_p left_p right_{p+k}, k = 0 .. T - 1."""
    return _by_fft(left, right, backwards=True)


def _convolved(left: Float[Array, " T"], right: Float[Array, " T"]) -> Float[Array, " T"]:
    """sum_p left_p right_{k-p}, k = 0 .. T - 1."""
    return _by_fft(left, right, backwards=False)


def _by_fft(left: Float[Array, " T"], right: Float[Array, " T"], *, backwards: bool) -> Float[Array, " T"]:
    n_samples = left.shape[0]
    size = power_of_two(2 * n_samples)
    first = jnp.fft.rfft(left, size)
    return jnp.fft.irfft((jnp.conj(first) if backwards else first) * jnp.fft.rfft(right, size), size)[:n_samples]
