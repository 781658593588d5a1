"""Density and draws of any stationary Gaussian process on a regular grid: exact, O(T^2) time and O(T) memory.

Durbin's recursion (1960) predicts every sample from all before it: log|K| is the sum of the logarithms of what the
predictions leave over, and s' K^-1 s that of the squared errors in its units (Golub & Van Loan, Matrix Computations,
section 4.7). The last predictor generates K^-1 (Gohberg & Semencul 1972), so the gradient in the autocovariance, which
needs the sums along the diagonals of K^-1 only, takes O(T log T) more. Run the other way, from errors to samples, the
same recursion draws: what a Cholesky factor of K does, without the factor.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from stradiff.model.priors.cepstral import power_of_two

Scalar = Float[Array, ""]


@jax.custom_vjp
def log_det_and_quadratic(source: Float[Array, " T"], autocovariance: Float[Array, " T"]) -> tuple[Scalar, Scalar]:
    """log|K| and s' K^-1 s, K_ij = r_|i-j|."""
    return _factorise(source, autocovariance)[:2]


def _forward(source: Array, autocovariance: Array) -> tuple[tuple[Scalar, Scalar], tuple[Array, Array]]:
    log_det, quadratic, solution, column = _factorise(source, autocovariance)
    return (log_det, quadratic), (solution, column)


def _backward(kept: tuple[Array, Array], cotangents: tuple[Scalar, Scalar]) -> tuple[Array, Array]:
    """d log|K| = tr(K^-1 dK),  d (s' K^-1 s) = 2 u' ds - u' dK u,  u = K^-1 s."""
    solution, column = kept
    of_log_det, of_quadratic = cotangents
    along_diagonals = of_log_det * _diagonal_sums(column) - of_quadratic * _correlated(solution, solution)
    return 2.0 * of_quadratic * solution, along_diagonals * jnp.where(jnp.arange(solution.shape[0]) == 0, 1.0, 2.0)


log_det_and_quadratic.defvjp(_forward, _backward)


def _factorise(
    source: Float[Array, " T"], autocovariance: Float[Array, " T"]
) -> tuple[Scalar, Scalar, Float[Array, " T"], Float[Array, " T"]]:
    """log|K|, s' K^-1 s, K^-1 s and the first column of K^-1."""
    n_samples = source.shape[0]
    place = jnp.arange(n_samples)

    def predict(step: Array, carry: tuple[Array, ...]) -> tuple[Array, ...]:
        predictor, left_over, log_det, quadratic, solution = carry
        turned = _back(predictor, step)
        error = source[step] - turned @ source
        solution += error / left_over * jnp.where(place == step, 1.0, -turned)
        longer, less = _lengthened(predictor, turned, left_over, autocovariance, step)
        return longer, less, log_det + jnp.log(left_over), quadratic + error**2 / left_over, solution

    nothing, zeros = jnp.zeros((), source.dtype), jnp.zeros_like(source)
    begin = (zeros, autocovariance[0], nothing, nothing, zeros)
    predictor, left_over, log_det, quadratic, solution = jax.lax.fori_loop(0, n_samples, predict, begin)
    column = jnp.concatenate([jnp.ones(1), -predictor[:-1]]) / left_over
    return log_det, quadratic, solution, column


def coloured(white: Float[Array, " T"], autocovariance: Float[Array, " T"]) -> Float[Array, " T"]:
    """The draw from N(0, K) that ``white``, one from N(0, I), stands for: the Cholesky factor of K times it."""

    def predict(step: Array, carry: tuple[Array, ...]) -> tuple[Array, ...]:
        predictor, left_over, drawn = carry
        turned = _back(predictor, step)
        drawn = drawn.at[step].set(turned @ drawn + jnp.sqrt(left_over) * white[step])
        return *_lengthened(predictor, turned, left_over, autocovariance, step), drawn

    zeros = jnp.zeros_like(white)
    drawn: Array = jax.lax.fori_loop(0, white.shape[0], predict, (zeros, autocovariance[0], zeros))[-1]
    return drawn


def _back(values: Float[Array, " T"], step: Array) -> Float[Array, " T"]:
    """The first ``step`` values, last one first, then zeros."""
    n_samples = values.shape[0]
    padded = jnp.concatenate([values[::-1], jnp.zeros_like(values)])
    return jax.lax.dynamic_slice(padded, (n_samples - step,), (n_samples,))


def _lengthened(
    predictor: Float[Array, " T"],
    turned: Float[Array, " T"],
    left_over: Scalar,
    autocovariance: Float[Array, " T"],
    step: Array,
) -> tuple[Float[Array, " T"], Scalar]:
    """The predictor from ``step + 1`` samples and the variance that it leaves over; the last sample needs none."""
    n_samples = predictor.shape[0]
    following = autocovariance[jnp.minimum(step + 1, n_samples - 1)]
    reach = (following - predictor @ _back(jnp.roll(autocovariance, -1), step)) / left_over
    more = (predictor - reach * turned).at[step].set(reach)
    is_last = step == n_samples - 1
    return jnp.where(is_last, predictor, more), jnp.where(is_last, left_over, left_over * (1.0 - reach**2))


def _diagonal_sums(column: Float[Array, " T"]) -> Float[Array, " T"]:
    """sum_i (K^-1)_{i,i+k} = 1/x_0 sum_p (T - k - p) (x_p x_{p+k} - y_p y_{p+k}), y = (0, x_{T-1} ..)."""
    n_samples = column.shape[0]
    turned = jnp.concatenate([jnp.zeros(1), column[:0:-1]])
    place = jnp.arange(n_samples)
    plain = _correlated(column, column) - _correlated(turned, turned)
    weighted = _correlated(place * column, column) - _correlated(place * turned, turned)
    return ((n_samples - place) * plain - weighted) / column[0]


def _correlated(left: Float[Array, " T"], right: Float[Array, " T"]) -> Float[Array, " T"]:
    """sum_p left_p right_{p+k}, k = 0 .. T - 1."""
    n_samples = left.shape[0]
    size = power_of_two(2 * n_samples)
    return jnp.fft.irfft(jnp.conj(jnp.fft.rfft(left, size)) * jnp.fft.rfft(right, size), size)[:n_samples]
