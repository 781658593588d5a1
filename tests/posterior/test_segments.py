"""The posterior in pieces is the posterior, but for what sources remember beyond a piece's surroundings."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from laplace_models import model_of, simulated_long
from quick_compile import quick_compile

from stradiff.config import Settings
from stradiff.posterior import laplace
from stradiff.posterior import segments as pieces
from stradiff.posterior.segments import Segments

T = 700


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compile():
        yield


CUT = Segments.of(T, 160)


@pytest.mark.parametrize(("n_samples", "size"), [(700, 160), (1000, 100), (60_000, 8192), (999_983, 8192), (300, 200)])
def test_pieces_tile_the_record_and_are_all_as_long(n_samples, size):
    cut = Segments.of(n_samples, size)
    kept = np.zeros(n_samples, int)
    for piece in cut:
        assert piece.first >= 0 and piece.first + piece.length <= n_samples
        within = np.arange(piece.first, piece.first + piece.length)[piece.kept]
        assert (within[0], within[-1]) == (piece.begin, piece.end - 1)
        kept[within] += 1
    assert (kept == 1).all() and len({piece.length for piece in cut}) == 1
    assert cut.middle in list(cut) and all(piece in list(cut) for piece in cut.evenly(3))


@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "with gaps"])
def test_mode_and_bands_are_those_of_the_whole_record(gaps):
    model, (_, observed) = model_of(n_samples=T), simulated_long(T)
    mask = (np.random.default_rng(3).random(observed.shape) > 0.1).astype(float) if gaps else None
    keys = jax.random.split(jax.random.key(0), 40 if gaps else 150)  # a deviation to 11, or to 6 per cent
    whole = laplace.find_posterior(model, jnp.asarray(observed), None if mask is None else jnp.asarray(mask), None)
    cut = pieces.find_posterior(model, jnp.asarray(observed), mask, CUT)
    np.testing.assert_allclose(cut.nu, whole.nu, rtol=0.25)
    distance = np.sqrt(np.mean((np.asarray(cut.mode) - np.asarray(whole.mode)) ** 2))
    there = None if mask is None else jnp.asarray(mask)
    wanted = np.asarray(laplace.laplace_spread(model, whole, there, None, keys))
    assert distance < 0.1 * wanted.mean()
    assert (
        cut.cross_talk.moments[0, 1, 0, 0] >= whole.cross_talk.moments[0, 1, 0, 0]
    ).all()  # found on one piece: never surer than all
    found = pieces.spread(model, whole, mask, CUT, keys)  # at the noise and the cross_talk of the whole record
    for part in (slice(0, CUT.around), slice(CUT.around, -CUT.around), slice(-CUT.around, None)):
        np.testing.assert_allclose(np.mean(found[:, part] / wanted[:, part], axis=1), 1.0, atol=0.08 if gaps else 0.04)


def test_a_piece_says_how_likely_a_sample_is(monkeypatch):
    model, (_, observed) = model_of(n_samples=T), simulated_long(T)
    cost = {}
    for cut in (None, CUT):
        monkeypatch.setattr(pieces, "segments_of", lambda *_, cut=cut: cut)
        cost[cut] = pieces.negative_log_likelihood(model, observed, None, Settings(n_sources=2))
    assert abs(cost[CUT] - cost[None]) < 4 * np.sqrt(1.5 / CUT.middle.length)  # three values to a sample, normal each


def test_one_piece_holds_a_record_shorter_than_its_surroundings():
    model, (_, observed) = model_of(n_samples=T), simulated_long(T)
    cut, keys = Segments.of(T, 4096), jax.random.split(jax.random.key(0), 5)
    assert len(list(cut)) == 1 and 2 * cut.around > T
    posterior = pieces.find_posterior(model, jnp.asarray(observed), None, cut)
    whole = laplace.laplace_spread(model, posterior, None, None, keys)
    np.testing.assert_allclose(pieces.spread(model, posterior, None, cut, keys), whole, rtol=1e-6)


def test_draws_scatter_as_the_bands_say_also_where_pieces_meet():
    model, (_, observed) = model_of(n_samples=T), simulated_long(T)
    posterior = pieces.find_posterior(model, jnp.asarray(observed), None, CUT)
    keys = jax.random.split(jax.random.key(1), 300)
    drawn = pieces.draws(model, posterior, None, CUT, keys)
    spread = pieces.spread(model, posterior, None, CUT, keys)
    assert drawn.shape == (300, 2, T)
    ratio = drawn.std(axis=0) / spread
    borders = [piece.begin for piece in CUT][1:]
    near = np.concatenate([np.arange(b - 3, b + 3) for b in borders])
    np.testing.assert_allclose(ratio[:, near].mean(axis=1), 1.0, atol=0.1)
    np.testing.assert_allclose(ratio.mean(axis=1), 1.0, atol=0.08)
    steps = np.abs(np.diff(drawn - np.asarray(posterior.mode), axis=2)).mean(axis=(0, 1))
    assert steps[np.array(borders) - 1].max() < 1.5 * np.median(steps)  # no jump where one piece hands over to the next
