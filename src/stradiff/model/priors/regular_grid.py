"""The RBF Gaussian process on a regular grid in O(T log T) time and O(T) memory, to rounding.

The covariance is then Toeplitz, and two exact descriptions of it meet:

* **Short length-scales** (up to 1/48 of the record): the spectrum is known in closed form and ``cepstral`` holds.
* **Long length-scales.** The RBF spectrum falls so fast that K - xi I has fewer than 2 x 97 modes above rounding, and
  the fewer the longer the length-scale: the trigonometric ones of a circle long enough that the kernel cannot see
  itself around it (circulant embedding, Dietrich & Newsam 1997). The Gram matrix of these modes on the grid has a
  closed form (Dirichlet's kernel) and splits into an even and an odd half about the middle of the record; the matrix
  determinant and inversion lemmas do the rest. The modes are reached by a chirp transform (Bluestein 1970), so nothing
  of size T x modes is stored.

Everything here counts time in samples and is differentiable in all arguments.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve
from jaxtyping import Array, Complex, Float

from stradiff.model.priors import cepstral
from stradiff.model.priors.cepstral import power_of_two
from stradiff.model.priors.kernels import rbf_spectrum

Scalar = Float[Array, ""]

SHORT_FRACTION = 1 / 48  # measured: at 1/48 of T both descriptions hold to 1e-9 for xi/sigma_f^2 >= 1e-6
HARMONICS = 96  # modes of the long description; carries length-scales from T/48 up down to xi/sigma_f^2 = 1e-7
SHORTEST = 1e-3  # samples; neighbours correlate by nothing, and K is a multiple of I
CIRCLE = 9.0  # length-scales of padding on the circle: exp(-9^2 / 2) is below rounding
FEWER = (26, 52, 72)  # modes that matrices are factorised for, where the rest has vanished: VANISHED of the greatest
VANISHED = 5e-25  # what the last mode has at the shortest length-scale that HARMONICS carries
SMALLEST_NUGGET = 1e-7  # xi / sigma_f^2 below which this module is not used (see HARMONICS)


@jax.jit  # one trace serves every program that holds it: a fit has eleven
def log_det_and_quadratic(
    source: Float[Array, " T"], length_scale: Scalar, variance: Scalar, jitter: Scalar
) -> tuple[Scalar, Scalar]:
    """log|K| and s' K^-1 s (the varying parts of Eq. 20), ``length_scale`` in samples."""
    border = SHORT_FRACTION * source.shape[0]

    def short(length_scale: Scalar) -> tuple[Scalar, Scalar]:
        inside = jnp.clip(length_scale, SHORTEST, border)
        spectrum = lambda omega: jitter + variance * rbf_spectrum(omega, inside)  # noqa: E731
        return cepstral.log_det_and_quadratic(source, cepstral.cepstrum_of(spectrum, source.shape[0]))

    def long(length_scale: Scalar) -> tuple[Scalar, Scalar]:
        return _long(source, jnp.maximum(length_scale, border), variance, jitter)

    return jax.lax.cond(length_scale <= border, short, long, length_scale)


def _long(source: Float[Array, " T"], length_scale: Scalar, variance: Scalar, jitter: Scalar) -> tuple[Scalar, Scalar]:
    # The circle is a choice of basis: the result does not depend on it, so no gradient goes through it.
    step = jax.lax.stop_gradient(2.0 * jnp.pi / (source.shape[0] + CIRCLE * length_scale))
    return of_modes(source, _mode_weights(length_scale, variance, step), step, jitter)


def of_modes(
    source: Float[Array, " T"], weight: Float[Array, " h"], step: Scalar, jitter: Scalar
) -> tuple[Scalar, Scalar]:
    """log|K| and s' K^-1 s of K_ij = sum_h weight_h cos(h step (i - j)) + xi delta_ij, h = 0 .. up to some hundred."""
    n_samples, n_modes = source.shape[0], weight.shape[0]
    scale, overlap = jnp.sqrt(weight / jitter), _dirichlet(step * jnp.arange(2 * n_modes - 1), n_samples)
    factorised = _factorised(*jax.lax.stop_gradient((scale, overlap)))
    log_det = n_samples * jnp.log(jitter) + factorised.log_det
    for parameter, slope in zip((scale, overlap), factorised.slopes, strict=True):
        log_det += slope @ (parameter - jax.lax.stop_gradient(parameter))
    chirp = _chirp(step, n_samples, n_modes)
    solution = jax.lax.stop_gradient(_solve(source, weight, jitter, chirp, factorised.factors))
    # 2 s'u - u'Ku is s'K^-1 s at u = K^-1 s, is stationary there (errors of u enter squared) and carries the
    # exact gradient, 2 u for s and -u' dK u for the parameters, without differentiating the solve.
    spread = jnp.sum(weight * sum(mode**2 for mode in _modes(solution, chirp)))
    return log_det, 2.0 * solution @ source - jitter * jnp.sum(solution**2) - spread


def _mode_weights(length_scale: Scalar, variance: Scalar, step: Scalar) -> Float[Array, " h"]:
    """Variance of the cosine (and sine) of each angle: the kernel's spectrum on the circle."""
    order = jnp.arange(HARMONICS + 1)
    density = math.sqrt(2.0 * math.pi) * length_scale * jnp.exp(-0.5 * (length_scale * step * order) ** 2)
    # The floor, far below rounding, keeps the square root of a vanished mode differentiable.
    return jnp.maximum(jnp.where(order == 0, 1.0, 2.0) * variance * density * step / (2.0 * jnp.pi), 1e-200)


class Factorised(NamedTuple):
    """What is wanted of I + D G D, the capacitances of the cosines and of the sines."""

    log_det: Scalar
    slopes: tuple[Float[Array, " h"], Float[Array, " a"]]
    """Gradient of ``log_det`` in the diagonal of D and in the overlaps of which G is made."""
    factors: tuple[Float[Array, "h h"], Float[Array, "k k"]]
    """Cholesky's."""


def _factorised(scale: Float[Array, " h"], overlap: Float[Array, " a"]) -> Factorised:
    """Of both capacitances, at the cost of the modes that have not vanished; those that have are an identity."""
    n_modes = scale.shape[0]

    def of(n_there: int, scale: Float[Array, " h"], overlap: Float[Array, " a"]) -> Factorised:
        matrices, back = jax.vjp(_capacitances, scale[:n_there], overlap[: 2 * n_there - 1])
        factors = tuple(map(jnp.linalg.cholesky, matrices))
        inverses = tuple(cho_solve((factor, True), jnp.eye(factor.shape[0])) for factor in factors)
        log_det = 2.0 * sum(jnp.sum(jnp.log(jnp.diagonal(factor))) for factor in factors)
        by_scale, by_overlap = back(inverses)  # d log|B| = tr(B^-1 dB)
        slopes = jnp.pad(by_scale, (0, n_modes - n_there)), jnp.pad(by_overlap, (0, 2 * (n_modes - n_there)))
        whole = [jnp.eye(n_modes - odd).at[: n_there - odd, : n_there - odd].set(factors[odd]) for odd in (0, 1)]
        return Factorised(jnp.asarray(log_det), slopes, (whole[0], whole[1]))

    sizes = [*(size for size in FEWER if size < n_modes), n_modes]
    n_there = 1 + jnp.max(jnp.where(scale**2 > VANISHED * jnp.max(scale**2), jnp.arange(n_modes), 0))
    which = jnp.sum(n_there > np.array(sizes[:-1], int))
    result: Factorised = jax.lax.switch(which, [partial(of, size) for size in sizes], scale, overlap)
    return result


def _capacitances(scale: Float[Array, " h"], overlap: Float[Array, " a"]) -> tuple[Array, Array]:
    """I + D G D of the cosines and of the sines (without the zeroth), G their Gram matrix on the grid."""
    n_modes = scale.shape[0]
    difference = _rows(jnp.concatenate([overlap[:n_modes], overlap[n_modes - 1 : 0 : -1]]), n_modes, -1)
    total = _rows(overlap, n_modes, 1)
    scaled = 0.5 * scale[:, None] * scale[None, :]
    identity = jnp.eye(n_modes)
    cosines, sines = identity + scaled * (difference + total), identity + scaled * (difference - total)
    return cosines, sines[1:, 1:]


def _rows(circle: Float[Array, " P"], n_rows: int, shift: int) -> Float[Array, "h h"]:
    """``circle[(shift * i + j) % P]`` for i, j below ``n_rows``, without picking elements one by one."""
    length = circle.shape[0] + shift
    return jnp.tile(circle, n_rows + 1)[: n_rows * length].reshape(n_rows, length)[:, :n_rows]


def _solve(
    source: Float[Array, " T"],
    weight: Float[Array, " h"],
    jitter: Scalar,
    chirp: Chirp,
    factors: tuple[Array, Array],
) -> Float[Array, " T"]:
    """K^-1 s = (s - M D (I + D G D)^-1 D M' s) / xi, M the modes, D^2 = weight / xi (inversion lemma)."""
    scale = jnp.sqrt(weight / jitter)
    _, synthesise = jax.vjp(lambda trajectory: _modes(trajectory, chirp), source)

    def solve(right: Float[Array, " T"]) -> Float[Array, " T"]:
        cosines, sines = _modes(right, chirp)
        even = scale * cho_solve((factors[0], True), scale * cosines)
        odd = scale[1:] * cho_solve((factors[1], True), scale[1:] * sines[1:])
        (smooth,) = synthesise((even, jnp.pad(odd, (1, 0))))
        return (right - smooth) / jitter

    first = solve(source)
    (smooth,) = synthesise(tuple(weight * mode for mode in _modes(first, chirp)))
    return first + solve(source - jitter * first - smooth)  # one refinement: what is left is below 1e-9 of the gradient


def _dirichlet(angle: Float[Array, " a"], n_samples: int) -> Float[Array, " a"]:
    """sum_t cos(angle t) over the T points centred on zero: sin(T angle / 2) / sin(angle / 2).

    At whole turns that is T, or -T: the points of an even T lie half way between whole numbers.
    """
    half = angle / 2.0
    flat = jnp.abs(jnp.sin(half)) < 1e-12
    safe = jnp.where(flat, 1.0, half)
    at_turns = n_samples * jnp.round(jnp.cos((n_samples - 1) * half))
    return jnp.where(flat, at_turns, jnp.sin(n_samples * safe) / jnp.sin(safe))


def _modes(source: Float[Array, " T"], chirp: Chirp) -> tuple[Float[Array, " h"], Float[Array, " h"]]:
    """sum_t s_t cos(j step t) and sum_t s_t sin(j step t) of every mode j, t centred on zero."""
    n_samples, n_modes = source.shape[0], chirp.outer.shape[0]
    transformed = jnp.fft.fft(source * chirp.inner, chirp.kernel.shape[0])
    modes = chirp.outer * jnp.fft.ifft(transformed * chirp.kernel)[n_samples - 1 : n_samples - 1 + n_modes]
    return modes.real, modes.imag


class Chirp(NamedTuple):
    """exp(i j step t) as a convolution, since 2 j t = j^2 + t^2 - (j - t)^2 (Bluestein 1970)."""

    inner: Complex[Array, " T"]
    kernel: Complex[Array, " N"]
    outer: Complex[Array, " h"]


def _chirp(step: Scalar, n_samples: int, n_modes: int) -> Chirp:
    size = power_of_two(n_samples + n_modes)
    phases = jnp.exp(0.5j * step * jnp.arange(n_samples) ** 2)
    order = jnp.arange(n_modes)
    # The kernel at lag j - t, from -(T - 1) to the last j, is even in the lag: the inner phases serve again.
    kernel = jnp.concatenate([phases[::-1], jnp.exp(0.5j * step * order[1:] ** 2)]).conj()
    centre = jnp.exp(-0.5j * step * order * (n_samples - 1))
    outer = jnp.exp(0.5j * step * order**2) * centre
    return Chirp(phases, jnp.fft.fft(jnp.pad(kernel, (0, size - kernel.shape[0]))), outer)
