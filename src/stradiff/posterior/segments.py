"""The posterior of a long recording, piece by piece: memory for one piece, and time in proportion to the length.

Sources remember a few length-scales. A piece is computed together with what stands around it, and of that only the
piece is kept, so that its ends do not show. Noise and cross_talk are numbers of the whole record: both are found on pieces
in it, the cross_talk on one alone, which claims less certainty than the whole record would allow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from stradiff.config import Settings
from stradiff.model.compiled import quick_jit
from stradiff.model.model import Model
from stradiff.posterior import laplace
from stradiff.posterior.covariance import covariance_of, second_moments_of
from stradiff.posterior.laplace import (
    Posterior,
    deviation,
    in_double,
    likeliest_noise,
    system_about,
    variance_at_known_map,
)
from stradiff.posterior.mixing_uncertainty import Evidence, remaining_cross_talk
from stradiff.posterior.tangent import tangent_at

SMALLEST_SEGMENT = 4096  # samples: more than sources remember, and enough to be worth its surroundings
N_NOISE_SEGMENTS = 5  # pieces, evenly spaced, whose likeliest noises' median is the record's


@dataclasses.dataclass(frozen=True)
class Segment:
    """Samples ``first`` to ``first + length`` of a record, of which ``begin`` to ``end`` are kept."""

    first: int
    length: int
    begin: int
    end: int

    def of(self, rows: np.ndarray | Array) -> Array:
        """The piece's samples, of rows ``(T, ..)``."""
        return jnp.asarray(rows[self.first : self.first + self.length])

    def model(self, model: Model) -> Model:
        """The model of the piece."""
        start = jax.tree.map(lambda rows: rows[:, self.first : self.first + self.length], model.branches.start)
        return model.of_segment(start, (self.length - 1) / (model.n_samples - 1))

    @property
    def kept(self) -> slice:
        """Which of its samples are kept."""
        return slice(self.begin - self.first, self.end - self.first)


@dataclasses.dataclass(frozen=True)
class Segments:
    """A record of ``n_samples`` in pieces of ``size``, each with ``around`` samples before and after; all as long."""

    n_samples: int
    size: int
    around: int

    @classmethod
    def of(cls, n_samples: int, size: int) -> Segments:
        """Segments of about ``size`` samples, a quarter of that around each."""
        around = size // 4
        count = max((n_samples - 2 * around) // size, 1)
        return cls(n_samples, -(-n_samples // count), around)

    def __iter__(self) -> Iterator[Segment]:
        length = min(self.size + 2 * self.around, self.n_samples)
        for begin in range(0, self.n_samples, self.size):
            end = min(begin + self.size, self.n_samples)
            yield Segment(int(np.clip(begin - self.around, 0, self.n_samples - length)), length, begin, end)

    def evenly(self, count: int) -> list[Segment]:
        """Some of them, the middle one among these."""
        every = list(self)
        return [every[k] for k in sorted({round(k) for k in np.linspace(0, len(every) - 1, count)})]

    @property
    def ends(self) -> list[Segment]:
        """The first and the last samples, as many as stand around a piece, each with as many beside them."""
        last, length = self.n_samples - self.around, 2 * self.around
        return [Segment(0, length, 0, self.around), Segment(self.n_samples - length, length, last, self.n_samples)]

    @property
    def middle(self) -> Segment:
        """The one in the middle."""
        every = list(self)
        return every[len(every) // 2]


def segments_of(n_samples: int, settings: Settings, times: np.ndarray | None) -> Segments | None:
    """The pieces of a record that is trained by windows; None where all is computed in one."""
    size = settings.window_size(n_samples) if times is None else None
    return None if size is None else Segments.of(n_samples, max(size, SMALLEST_SEGMENT))


def posterior_of(
    model: Model, observed: np.ndarray, mask: np.ndarray | None, times: np.ndarray | None, settings: Settings
) -> Posterior:
    """The posterior of a fitted model, in pieces or in one; ``observed (T, m)`` normalised. Inside ``numerics()``."""
    cut = segments_of(len(observed), settings, times)
    if cut is None:
        return laplace.find_posterior(model, jnp.asarray(observed), _array(mask), _array(times))
    return find_posterior(model, jnp.asarray(observed), mask, cut)


def negative_log_likelihood(model: Model, observed: np.ndarray, times: np.ndarray | None, settings: Settings) -> float:
    """-log p of a sample of ``observed (T, m)``, all of it seen, at its likeliest noise and but for a constant.

    Of a record in pieces it is that of the middle one. Inside ``numerics()``.
    """
    model, rows = in_double(model), jnp.asarray(observed, jnp.float64)
    start, cut = model.at_mean(), segments_of(len(observed), settings, times)
    if cut is not None:
        model, rows, start = cut.middle.model(model), cut.middle.of(rows), cut.middle.of(start.T).T
    record = tangent_at(model, start, rows, None), second_moments_of(model, _array(times))
    return laplace.noise_and_cost(record)[1] / len(rows)


def spread_of(
    model: Model,
    posterior: Posterior,
    mask: np.ndarray | None,
    times: np.ndarray | None,
    settings: Settings,
    keys: Key[Array, " R"],
) -> np.ndarray:
    """Posterior standard deviation ``(n, T)`` from as many draws as keys, in pieces or in one."""
    cut = segments_of(model.n_samples, settings, times)
    if cut is None:
        return np.asarray(laplace.laplace_spread(model, posterior, _array(mask), _array(times), keys))
    return spread(model, posterior, mask, cut, keys)


def draws_of(
    model: Model,
    posterior: Posterior,
    mask: np.ndarray | None,
    times: np.ndarray | None,
    settings: Settings,
    keys: Key[Array, " R"],
) -> np.ndarray:
    """Posterior draws ``(R, n, T)``, one for each key, in pieces or in one."""
    cut = segments_of(model.n_samples, settings, times)
    if cut is None:
        return np.asarray(laplace.laplace_draws(model, posterior, _array(mask), _array(times), keys))
    return draws(model, posterior, mask, cut, keys)


def find_posterior(model: Model, observed: Array, mask: np.ndarray | None, pieces: Segments) -> Posterior:
    """The posterior of a fitted model; ``observed (T, m)`` normalised. Inside ``numerics()``."""
    model = in_double(model)
    start = np.asarray(model.at_mean())
    heard = [_noise(model, start, observed, mask, piece) for piece in pieces.evenly(N_NOISE_SEGMENTS)]
    nu = jnp.float64(np.median(heard))
    mode = np.empty_like(start)
    cross_talk = None
    for piece in pieces:
        here, rows, there = piece.model(model), jnp.asarray(piece.of(observed), jnp.float64), _mask(mask, piece)
        evidence = Evidence(rows, there, None, covariance_of(here, None), nu)
        found = evidence.mode(here, piece.of(start.T).T)
        mode[:, piece.begin : piece.end] = found[:, piece.kept]
        if piece == pieces.middle:
            cross_talk = remaining_cross_talk(here, found, evidence)
    assert cross_talk is not None  # the middle is one of the pieces
    return Posterior(jnp.asarray(mode), nu, cross_talk)


def spread(
    model: Model, posterior: Posterior, mask: np.ndarray | None, pieces: Segments, keys: Key[Array, " R"]
) -> np.ndarray:
    """Posterior standard deviation ``(n, T)``, as ``laplace_spread`` has it.

    Under a linear map of which everything is seen it is the same at all times far from the ends of the record: there
    it is known without draws, and only what stands at the ends is drawn.
    """
    model, variance = in_double(model), np.empty(posterior.mode.shape)
    drawn = list(pieces)
    if model.mixing.is_linear and mask is None and pieces.n_samples > 2 * pieces.around:
        middle = pieces.middle.model(model)
        inner = _inner_variance(covariance_of(middle, None).record, model.mixing.matrix, posterior.nu, middle.n_samples)
        variance[:] = np.asarray(inner)[:, None]
        drawn = pieces.ends
    for piece in drawn:
        variance[:, piece.begin : piece.end] = _variance(model, posterior, mask, piece, keys)
    return np.sqrt(variance + np.asarray(posterior.cross_talk.variance(posterior.mode)))


def draws(
    model: Model, posterior: Posterior, mask: np.ndarray | None, pieces: Segments, keys: Key[Array, " R"]
) -> np.ndarray:
    """Posterior draws ``(R, n, T)``, one for each key.

    What deviates from the mode is drawn in every piece by itself. Where two meet, one fades into the other with weights
    whose squares sum to one, so that the variance is right there too.
    """
    model, fade = in_double(model), pieces.around
    rise = np.sin(0.5 * np.pi * (np.arange(fade) + 0.5) / fade)
    found = np.zeros((len(keys), *posterior.mode.shape))
    for number, piece in enumerate(pieces):
        system = system_about(*_about(model, posterior, mask, piece), None)
        weight = np.ones(piece.length)
        begin, end = piece.begin - piece.first - fade // 2, piece.end - piece.first - fade // 2
        if piece.begin > 0:
            weight[:begin], weight[begin : begin + fade] = 0.0, rise
        if piece.end < pieces.n_samples:
            weight[end : end + fade], weight[end + fade :] = rise[::-1], 0.0
        for row, key in enumerate(keys):
            drawn = np.asarray(_deviation(system, jax.random.fold_in(key, number)))
            found[row, :, piece.first : piece.first + piece.length] += weight * drawn
    for row, key in enumerate(keys):
        found[row] += np.asarray(posterior.mode + posterior.cross_talk.draw(posterior.mode, key))
    return found


_deviation = quick_jit(deviation)


def _noise(model: Model, start: np.ndarray, observed: Array, mask: np.ndarray | None, piece: Segment) -> float:
    here, rows = piece.model(model), jnp.asarray(piece.of(observed), jnp.float64)
    about = tangent_at(here, piece.of(start.T).T, rows, _mask(mask, piece))
    return likeliest_noise((about, second_moments_of(here, None)))


def _variance(
    model: Model, posterior: Posterior, mask: np.ndarray | None, piece: Segment, keys: Key[Array, " R"]
) -> np.ndarray:
    here = system_about(*_about(model, posterior, mask, piece), None)
    return np.asarray(variance_at_known_map(here, keys))[:, piece.kept]


@quick_jit
def _inner_variance(record: Array, matrix: Array, nu: Array, n_samples: int) -> Array:
    """``(n,)``: variance under a linear map far from the ends, mean_f diag (S_f^-1 + A' A / nu)^-1."""
    root = jnp.sqrt(record.T)
    precision = jnp.eye(root.shape[1])[None] + jnp.einsum("fi,ij,fj->fij", root, matrix.T @ matrix / nu, root)
    variance = root**2 * jnp.diagonal(jnp.linalg.inv(precision), axis1=1, axis2=2)
    counted = jnp.full(len(variance), 2.0).at[0].set(1.0).at[n_samples // 2].set(1.0 if n_samples % 2 == 0 else 2.0)
    return counted @ variance / n_samples


def _about(
    model: Model, posterior: Posterior, mask: np.ndarray | None, piece: Segment
) -> tuple[Model, Posterior, Array | None]:
    there = Posterior(piece.of(posterior.mode.T).T, posterior.nu, posterior.cross_talk)
    return piece.model(model), there, _mask(mask, piece)


def _array(values: np.ndarray | None) -> Array | None:
    return None if values is None else jnp.asarray(values)


def _mask(mask: np.ndarray | None, piece: Segment) -> Array | None:
    return None if mask is None else piece.of(mask)
