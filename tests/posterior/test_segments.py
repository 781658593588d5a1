"""The posterior in segments is that of the whole recording, up to correlations longer than a margin."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from laplace_models import model_of, simulated_long
from quick_compile import quick_compile
from short import configuration

from stradiff.posterior import segments as module
from stradiff.posterior.segments import (
    Segments,
    find_posterior,
    negative_log_likelihood,
    posterior_deviation,
    posterior_draws,
)

T = 700
WHOLE, SEGMENTS = Segments.whole(T), Segments.of(T, 160)


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compile():
        yield


@pytest.mark.parametrize("size", [None, 160, 100, 8192])
@pytest.mark.parametrize("n_samples", [300, 700, 60_000, 199_999])
def test_segments_tile_the_recording_and_have_one_length(n_samples, size):
    segments = Segments.whole(n_samples) if size is None else Segments.of(n_samples, size)
    kept = np.zeros(n_samples, int)
    for segment in segments:
        assert 0 <= segment.start < segment.stop <= n_samples
        np.testing.assert_array_equal(np.arange(n_samples)[segment.samples][segment.kept_inside][[0, -1]],
                                      np.arange(n_samples)[segment.kept][[0, -1]])  # fmt: skip
        kept[segment.kept] += 1
    assert (kept == 1).all() and len({segment.stop - segment.start for segment in segments}) == 1
    assert segments.middle in list(segments) and all(segment in list(segments) for segment in segments.spread(3))
    assert segments.is_whole == (size is None)


@pytest.mark.parametrize("gaps", [False, True], ids=["complete", "with gaps"])
def test_mode_and_bands_are_those_of_the_whole_recording(gaps):
    model, (_, observed) = model_of(n_samples=T), simulated_long(T)
    mask = (np.random.default_rng(3).random(observed.shape) > 0.1).astype(float) if gaps else None
    keys = jax.random.split(jax.random.key(0), 40 if gaps else 150)  # standard deviations to 11, or to 6 per cent
    whole = find_posterior(model, observed, mask, None, WHOLE)
    segmented = find_posterior(model, observed, mask, None, SEGMENTS)
    np.testing.assert_allclose(segmented.nu, whole.nu, rtol=0.25)
    distance = np.sqrt(np.mean((np.asarray(segmented.mode) - np.asarray(whole.mode)) ** 2))
    expected = posterior_deviation(model, whole, mask, None, WHOLE, keys)
    assert distance < 0.1 * expected.mean()
    # The cross-talk of one segment is never more certain than that of the whole recording.
    assert segmented.cross_talk.moments[0, 1, 0, 0] >= whole.cross_talk.moments[0, 1, 0, 0]
    deviation = posterior_deviation(model, whole, mask, None, SEGMENTS, keys)  # at the same noise and cross-talk
    margin = SEGMENTS.margin
    for samples in (slice(0, margin), slice(margin, -margin), slice(-margin, None)):
        ratio = np.mean(deviation[:, samples] / expected[:, samples], axis=1)
        np.testing.assert_allclose(ratio, 1.0, atol=0.08 if gaps else 0.04)


def test_one_segment_estimates_the_likelihood_of_a_sample(monkeypatch):
    model, (_, observed) = model_of(n_samples=T), simulated_long(T)
    costs = []
    for segments in (WHOLE, SEGMENTS):
        monkeypatch.setattr(module, "segments_of", lambda *_, segments=segments: segments)
        costs.append(negative_log_likelihood(model, observed, None, configuration(n_sources=2)))
    middle = SEGMENTS.middle
    n_samples = middle.stop - middle.start
    assert abs(costs[1] - costs[0]) < 4 * np.sqrt(1.5 / n_samples)  # three values to a sample, normal each


def test_a_recording_shorter_than_its_margins_is_one_segment():
    model, (_, observed) = model_of(n_samples=T), simulated_long(T)
    segments, keys = Segments.of(T, 4096), jax.random.split(jax.random.key(0), 5)
    assert len(list(segments)) == 1 and 2 * segments.margin > T
    posterior = find_posterior(model, observed, None, None, segments)
    expected = posterior_deviation(model, posterior, None, None, WHOLE, keys)
    np.testing.assert_allclose(posterior_deviation(model, posterior, None, None, segments, keys), expected, rtol=1e-6)


@pytest.mark.parametrize("segments", [WHOLE, SEGMENTS], ids=["whole", "segments"])
def test_draws_have_the_deviation_of_the_bands_also_at_borders(segments):
    model, (_, observed) = model_of(n_samples=T), simulated_long(T)
    posterior = find_posterior(model, observed, None, None, segments)
    keys = jax.random.split(jax.random.key(1), 300)
    draws = posterior_draws(model, posterior, None, None, segments, keys)
    assert draws.shape == (300, 2, T)
    ratio = draws.std(axis=0) / posterior_deviation(model, posterior, None, None, segments, keys)
    np.testing.assert_allclose(ratio.mean(axis=1), 1.0, atol=0.08)
    borders = np.array([segment.kept_start for segment in SEGMENTS][1:])
    near = np.concatenate([np.arange(border - 3, border + 3) for border in borders])
    np.testing.assert_allclose(ratio[:, near].mean(axis=1), 1.0, atol=0.1)
    steps = np.abs(np.diff(draws - np.asarray(posterior.mode), axis=2)).mean(axis=(0, 1))
    assert steps[borders - 1].max() < 1.5 * np.median(steps)  # no jump at a border
