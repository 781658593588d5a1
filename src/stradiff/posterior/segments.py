"""The posterior of a recording in segments: memory in proportion to a segment, time to the length of the recording.

Sources are correlated over a few length-scales only. A segment is computed with a margin of samples on either side,
and without the margins it is kept, so that its ends have no effect. The noise variance is the median over a few
segments; the cross-talk is that of the middle one, whose uncertainty is larger than that of the whole recording. A
recording that is computed as a whole is one segment without margins.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from stradiff.config import Configuration
from stradiff.model.compiled import quick_jit
from stradiff.model.model import Model
from stradiff.posterior.covariance import covariance_of, second_moments_of
from stradiff.posterior.laplace import (
    Posterior,
    draw_errors,
    error_variance,
    fit_noise_variance,
    in_double,
    posterior_system,
)
from stradiff.posterior.linearisation import System, linearise
from stradiff.posterior.mixing_uncertainty import residual_cross_talk
from stradiff.posterior.mode import Observations, find_mode

Rows = np.ndarray | Array | None

SMALLEST_SEGMENT = 4096  # samples: longer than the correlations of sources, and efficient despite the margins
N_NOISE_SEGMENTS = 5  # segments, evenly spaced, whose median noise variance is that of the recording


@dataclasses.dataclass(frozen=True)
class Segment:
    """Samples ``start`` to ``stop`` of a recording, of which ``kept_start`` to ``kept_stop`` are kept."""

    start: int
    stop: int
    kept_start: int
    kept_stop: int

    @property
    def samples(self) -> slice:
        """All samples, margins included."""
        return slice(self.start, self.stop)

    @property
    def kept(self) -> slice:
        """The samples that are kept, within the recording."""
        return slice(self.kept_start, self.kept_stop)

    @property
    def kept_inside(self) -> slice:
        """The same within the segment."""
        return slice(self.kept_start - self.start, self.kept_stop - self.start)

    def rows(self, values: Rows) -> Array | None:
        """The segment of rows ``(T, ..)``; None for None."""
        return None if values is None else jnp.asarray(values[self.samples])

    def model(self, model: Model) -> Model:
        """The model of the segment."""
        length = self.stop - self.start
        if length == model.n_samples:
            return model
        start = jax.tree.map(lambda rows: rows[:, self.samples], model.branches.start)
        return model.of_segment(start, (length - 1) / (model.n_samples - 1))


@dataclasses.dataclass(frozen=True)
class Segments:
    """A recording in segments of ``size`` kept samples, each with ``margin`` samples before and after.

    All have the same length: at the ends of the recording a margin lies on one side alone.
    """

    n_samples: int
    size: int
    margin: int

    @classmethod
    def of(cls, n_samples: int, size: int) -> Segments:
        """Segments of about ``size`` samples, with margins of a quarter of that."""
        margin = size // 4
        count = max((n_samples - 2 * margin) // size, 1)
        return cls(n_samples, -(-n_samples // count), margin)

    @classmethod
    def whole(cls, n_samples: int) -> Segments:
        """The whole recording as one segment."""
        return cls(n_samples, n_samples, 0)

    @property
    def is_whole(self) -> bool:
        """Whether the recording is computed as a whole."""
        return self.margin == 0

    def __iter__(self) -> Iterator[Segment]:
        length = min(self.size + 2 * self.margin, self.n_samples)
        for kept_start in range(0, self.n_samples, self.size):
            start = int(np.clip(kept_start - self.margin, 0, self.n_samples - length))
            yield Segment(start, start + length, kept_start, min(kept_start + self.size, self.n_samples))

    def spread(self, count: int) -> list[Segment]:
        """At most ``count`` segments, evenly spaced, the middle one among them."""
        segments = list(self)
        return [segments[k] for k in sorted({round(k) for k in np.linspace(0, len(segments) - 1, count)})]

    @property
    def ends(self) -> list[Segment]:
        """The first and the last samples, as many as in a margin, each with a margin on the inside."""
        n, margin = self.n_samples, self.margin
        return [Segment(0, 2 * margin, 0, margin), Segment(n - 2 * margin, n, n - margin, n)]

    @property
    def middle(self) -> Segment:
        """The segment in the middle."""
        segments = list(self)
        return segments[len(segments) // 2]


def segments_of(n_samples: int, settings: Configuration, times: np.ndarray | None) -> Segments:
    """Segments of a recording that is trained on minibatches; any other is computed as a whole."""
    size = settings.segment_length(n_samples) if times is None else None
    return Segments.whole(n_samples) if size is None else Segments.of(n_samples, max(size, SMALLEST_SEGMENT))


def find_posterior(model: Model, normalised: np.ndarray, mask: Rows, times: Rows, segments: Segments) -> Posterior:
    """The posterior of a fitted model; ``normalised (T, m)`` is the recording. Inside ``numerics()``."""
    model, rows = in_double(model), np.asarray(normalised, np.float64)
    start = np.asarray(model.at_mean())
    noise = [_fit_noise(segment, model, start, rows, mask, times)[0] for segment in segments.spread(N_NOISE_SEGMENTS)]
    nu, mode, middle = jnp.float64(np.median(noise)), np.empty_like(start), segments.middle
    for segment in segments:
        part, part_times = segment.model(model), segment.rows(times)
        covariance = covariance_of(part, part_times)
        observed = jnp.asarray(rows[segment.samples])
        observations = Observations(observed, segment.rows(mask), part_times, covariance, nu)
        part_mode = find_mode(part, jnp.asarray(start[:, segment.samples]), observations)
        mode[:, segment.kept] = part_mode[:, segment.kept_inside]
        if segment == middle:
            cross_talk = residual_cross_talk([part], [part_mode], [observations])
    return Posterior(jnp.asarray(mode), nu, cross_talk)


def negative_log_likelihood(
    model: Model, observed: np.ndarray, times: np.ndarray | None, settings: Configuration
) -> float:
    """-log p per sample of ``observed (T, m)`` without gaps, at its best noise variance and up to a constant.

    In several segments it is that of the middle one. Inside ``numerics()``.
    """
    model, middle = in_double(model), segments_of(len(observed), settings, times).middle
    rows = np.asarray(observed, np.float64)
    return _fit_noise(middle, model, np.asarray(model.at_mean()), rows, None, times)[1] / (middle.stop - middle.start)


def posterior_deviation(
    model: Model, posterior: Posterior, mask: Rows, times: Rows, segments: Segments, keys: Key[Array, " R"]
) -> np.ndarray:
    """Posterior standard deviation ``(n, T)``: Monte Carlo over R errors at the known map, plus the cross-talk.

    Under a linear map without gaps the variance is constant far from the ends of a long recording: there it has a
    closed form, and only the ends are sampled.
    """
    model, variance, sampled = in_double(model), np.empty(posterior.mode.shape), list(segments)
    if model.mixing.is_linear and mask is None and 0 < 2 * segments.margin < segments.n_samples:
        part = segments.middle.model(model)
        power = covariance_of(part, None).record_power
        stationary = _stationary_variance(power, model.mixing.matrix, posterior.nu, part.n_samples)
        variance[:], sampled = np.asarray(stationary)[:, None], segments.ends
    for segment in sampled:
        system = _segment_system(model, posterior, mask, times, segment)
        variance[:, segment.kept] = np.asarray(error_variance(system, keys))[:, segment.kept_inside]
    return np.sqrt(variance + np.asarray(posterior.cross_talk.variance(posterior.mode)))


def posterior_draws(
    model: Model, posterior: Posterior, mask: Rows, times: Rows, segments: Segments, keys: Key[Array, " R"]
) -> np.ndarray:
    """Posterior draws ``(R, n, T)``, one for each key.

    Errors are drawn segment by segment, and cross-fade at the borders with weights whose squares sum to one, which
    keeps their variance.
    """
    model, draws = in_double(model), np.zeros((len(keys), *posterior.mode.shape))
    error_keys, cross_talk_keys = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
    for number, segment in enumerate(segments):
        system = _segment_system(model, posterior, mask, times, segment)
        segment_keys = error_keys
        if not segments.is_whole:
            segment_keys = jax.vmap(lambda key, number=number: jax.random.fold_in(key, number))(error_keys)
        draws[:, :, segment.samples] += _fade(segments, segment) * np.asarray(draw_errors(system, segment_keys))
    for draw, key in zip(draws, cross_talk_keys, strict=True):
        draw += np.asarray(posterior.mode + posterior.cross_talk.draw(posterior.mode, key))
    return draws


def _fade(segments: Segments, segment: Segment) -> np.ndarray:
    """Objective of a segment's samples: one inside, falling to zero over a margin centred on each border."""
    margin, weights = segments.margin, np.ones(segment.stop - segment.start)
    rise = np.sin(0.5 * np.pi * (np.arange(margin) + 0.5) / max(margin, 1))
    start, stop = (border - segment.start - margin // 2 for border in (segment.kept_start, segment.kept_stop))
    if segment.kept_start > 0:
        weights[:start], weights[start : start + margin] = 0.0, rise
    if segment.kept_stop < segments.n_samples:
        weights[stop : stop + margin], weights[stop + margin :] = rise[::-1], 0.0
    return weights


def _fit_noise(
    segment: Segment, model: Model, sources: np.ndarray, observed: np.ndarray, mask: Rows, times: Rows
) -> tuple[float, float]:
    """Noise variance of a segment, and the cost there."""
    part, samples = segment.model(model), segment.samples
    part_sources, part_observed = jnp.asarray(sources[:, samples]), jnp.asarray(observed[samples])
    linearisation = linearise(part, part_sources, part_observed, segment.rows(mask))
    return fit_noise_variance((linearisation, second_moments_of(part, segment.rows(times))))


def _segment_system(model: Model, posterior: Posterior, mask: Rows, times: Rows, segment: Segment) -> System:
    part = Posterior(posterior.mode[:, segment.samples], posterior.nu, posterior.cross_talk)
    return posterior_system(segment.model(model), part, segment.rows(mask), segment.rows(times))


@quick_jit
def _stationary_variance(power: Array, matrix: Array, nu: Array, n_samples: int) -> Array:
    """``(n,)``: variance under a linear map far from the ends, mean_f diag (S_f^-1 + A' A / nu)^-1."""
    root = jnp.sqrt(power.T)
    precision = jnp.eye(root.shape[1])[None] + jnp.einsum("fi,ij,fj->fij", root, matrix.T @ matrix / nu, root)
    variance = root**2 * jnp.diagonal(jnp.linalg.inv(precision), axis1=1, axis2=2)
    multiplicity = jnp.full(len(variance), 2.0).at[0].set(1.0)
    multiplicity = multiplicity.at[n_samples // 2].set(1.0 if n_samples % 2 == 0 else 2.0)
    return multiplicity @ variance / n_samples
