"""The first column of the inverse of a symmetric positive definite Toeplitz matrix, in O(T log^2 T) time.

Schur's algorithm (1917) turns the autocovariance into partial correlations at ever longer lags, one by one: O(T^2). Its
doubling (Musicus 1988; Ammar & Gragg 1988) asks for those of the first half, brings the series on to the second half by
products of polynomials, and asks again; the products are FFTs. With beta the covariances of later samples with what
earlier ones leave unpredicted of the present sample, alpha those with what they leave unpredicted of the sample before
them, and g a partial correlation, a step is

    (beta, z alpha) <- [[1, -g], [-g, 1]] diag(z, 1) (beta, z alpha),   g = alpha_0 / beta_0.

The product of s of these matrices is [[z e~, f~], [z f, e]], e and f polynomials of s coefficients and ~ their order
reversed; e + z f predicts a sample from all before it, as what Durbin's recursion ends with does.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from stradiff.model.priors.cepstral import power_of_two

Scalar = Float[Array, ""]

LEAF = 128  # lags that are taken one by one, at most


def log_det_and_first_column(autocovariance: Float[Array, " T"]) -> tuple[Scalar, Float[Array, " T"]]:
    """log|K| and the first column of K^-1, K_ij = r_|i-j|."""
    n_samples = autocovariance.shape[0]
    size = power_of_two(n_samples)
    series = jnp.stack([autocovariance, jnp.append(autocovariance[1:], 0.0)])
    (e, f), log_det = _steps(jnp.pad(series, ((0, 0), (0, size - n_samples))), jnp.zeros((), int), n_samples)
    predictor = (e + jnp.append(0.0, f[:-1]))[:n_samples]
    return log_det, predictor / (predictor @ autocovariance)


def _steps(series: Float[Array, "2 s"], first: Int[Array, ""], n_samples: int) -> tuple[Float[Array, "2 s"], Scalar]:
    """(e, f) of the s steps from ``first`` on, and the sum of log beta_0 before each, of (beta, alpha)."""
    size = series.shape[1]
    if size <= LEAF:
        return _one_by_one(series, first, n_samples)
    half = size // 2

    def of_half(carry: tuple[Array, Array], second: Array) -> tuple[tuple[Array, Array], Scalar]:
        series, product = carry
        factor, log_det = _steps(series[:, :half], first + half * second, n_samples)
        longer = jnp.pad(factor, ((0, 0), (0, half)))
        first_half = lambda: (_brought_on(series, longer), longer)  # noqa: E731
        second_half = lambda: (series, _multiplied(longer, product))  # noqa: E731
        return jax.lax.cond(second == 0, first_half, second_half), log_det

    (_, product), log_dets = jax.lax.scan(of_half, (series, jnp.zeros_like(series)), jnp.arange(2))
    return product, jnp.sum(log_dets)


def _one_by_one(
    series: Float[Array, "2 s"], first: Int[Array, ""], n_samples: int
) -> tuple[Float[Array, "2 s"], Scalar]:
    """The same, step by step; those from the last sample on change nothing."""
    size = series.shape[1]
    rows = jnp.zeros((2, 3, size + 1)).at[0, 0, :-1].set(series[0]).at[1, 0, 1:].set(series[1])
    rows = rows.at[0, 1, 0].set(1.0).at[1, 2, 0].set(1.0)  # beta beside the product's upper row, z alpha its lower

    def step(k: Array, carry: tuple[Array, Scalar]) -> tuple[Array, Scalar]:
        rows, log_det = carry
        upper, lower = jnp.pad(rows[0, :, :-1], ((0, 0), (1, 0))), rows[1]
        left_over = jnp.where(first + k < n_samples, upper[0, k + 1], 1.0)
        partial = jnp.where(first + k < n_samples - 1, lower[0, k + 1] / left_over, 0.0)
        return jnp.stack([upper - partial * lower, lower - partial * upper]), log_det + jnp.log(left_over)

    rows, log_det = jax.lax.fori_loop(0, size, step, (rows, jnp.zeros(())))
    return jnp.stack([rows[1, 2, :-1], rows[1, 1, 1:]]), log_det


def _brought_on(series: Float[Array, "2 N"], factor: Float[Array, "2 N"]) -> Float[Array, "2 N"]:
    """(beta, alpha) after the N / 2 steps of ``factor``: their first N / 2 coefficients, then zeros."""
    size = series.shape[1]
    half = size // 2
    (e, f), (back_e, back_f), (beta, alpha) = map(jnp.fft.rfft, (factor, _reversed(factor), series))
    after = jnp.fft.irfft(jnp.stack([back_e * beta + back_f * alpha, f * beta + e * alpha]), size)
    return jnp.pad(jnp.stack([after[0, half - 1 : -1], after[1, half:]]), ((0, 0), (0, half)))


def _multiplied(later: Float[Array, "2 N"], earlier: Float[Array, "2 N"]) -> Float[Array, "2 N"]:
    """(e, f) of the steps of both."""
    size = later.shape[1]
    (e, f), (late_e, late_f), (back_e, back_f) = map(jnp.fft.rfft, (earlier, later, _reversed(earlier)))
    turned = jnp.exp(-2j * jnp.pi * jnp.arange(size // 2 + 1) / size) * late_f
    return jnp.fft.irfft(jnp.stack([turned * back_f + late_e * e, turned * back_e + late_e * f]), size)


def _reversed(factor: Float[Array, "2 N"]) -> Float[Array, "2 N"]:
    """The first N / 2 coefficients in the opposite order."""
    half = factor.shape[1] // 2
    return factor.at[:, :half].set(factor[:, half - 1 :: -1])
