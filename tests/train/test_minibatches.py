"""Training by segments: their mean is the whole record, in every term and in its gradient."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from as_users_call import as_users_call
from quick_compile import quick_compile
from random_models import random_double_model, random_noise
from short import changed, configuration, estimator

from stradiff import SOBI, StrADiff, matched_correlation, simulate
from stradiff.config import Convolutional, Dense
from stradiff.data.sources import ar_sources
from stradiff.model.diffusion.networks import ReceptiveField
from stradiff.train import minibatch_step
from stradiff.train.loop import minibatches_of
from stradiff.train.minibatch_step import SegmentRecords, _without_start
from stradiff.train.minibatches import Minibatches, Segment, minibatch_terms
from stradiff.train.objective import Noise, terms, total
from stradiff.train.step import StepSettings

T, N, M = 330, 2, 3
PLAN = Minibatches.of(T, 60)
SILENT = configuration(
    n_sources=N, network="none", prior="matern12", standardise=True, lambda_volume=1.0, nu_y=0.2, n_steps=3
)
OBSERVED = np.random.default_rng(5).standard_normal((T, M))
MASK = (np.random.default_rng(6).random((T, M)) > 0.2).astype(float)


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compile():
        yield


@pytest.mark.parametrize(("n_samples", "size"), [(330, 60), (1000, 256), (1001, 256), (60_000, 8192), (999_983, 8192)])
def test_segments_tile_the_record(n_samples, size):
    plan = Minibatches.of(n_samples, size)
    visits = np.zeros(n_samples, int)
    for index in range(plan.count):
        segment = Segment.of(jnp.asarray(index), plan)
        first, begin = int(segment.first), int(segment.first + segment.offset)
        assert first >= 0 and first + plan.length <= n_samples
        visits[begin : begin + plan.span] += np.asarray(segment.own(plan)).astype(int)
    assert (visits == 1).all()
    assert size // 2 <= plan.size <= 2 * size and plan.past >= size // 8


def noise_of(noise, segment):
    """The noise of the whole record where a segment is."""
    now = slice(int(segment.first), int(segment.first) + PLAN.length)
    return Noise(noise.start[:, now], noise.tau, noise.diffusion[:, now], noise.times)


@eqx.filter_jit
def segment_gradient(objective, learned, moments, segment, rows, mask, noise, gains):
    """Terms of a segment, with the gradient in what is learned, and in the moments."""

    def loss(learned, moments):
        here = learned[0].of_segment(learned[1], (PLAN.length - 1) / (T - 1))
        every, _, sums = minibatch_terms(here, rows, segment, PLAN, moments, noise, objective, mask)
        through_moments = PLAN.count * (gains[0] @ sums[0] + gains[1] @ sums[1])
        return total(every, objective) + through_moments, every

    (_, every), gradients = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(learned, moments)
    return every, gradients


def mean_over_segments(model, config, noise, mask=None):
    """Mean over all segments of their terms and gradients; the second pass knows the slopes of the first."""
    raw = jax.vmap(lambda start, eps: start.at(eps))(model.branches.start, noise.start) * model.branches.gain
    moments = SegmentRecords(PLAN.sums(raw), PLAN.sums(raw**2), None, None).moments(T)
    gains = jnp.zeros(N), jnp.zeros(N)
    for _ in range(2):
        results = []
        for index in range(PLAN.count):
            segment = Segment.of(jnp.asarray(index), PLAN)
            now = slice(int(segment.first), int(segment.first) + PLAN.length)
            start = jax.tree.map(lambda rows, now=now: rows[:, now], model.branches.start)
            rows, seen = jnp.asarray(OBSERVED[now]), None if mask is None else jnp.asarray(mask[now])
            learned, eps = (_without_start(model), start), noise_of(noise, segment)
            every, ((shared, of_start), slope) = segment_gradient(
                config.objective, learned, moments, segment, rows, seen, eps, gains
            )
            whole = jax.tree.map(
                lambda rows, part, now=now: jnp.zeros_like(rows).at[:, now].set(part), model.branches.start, of_start
            )
            results.append((every, (shared, whole), slope))
        terms_of_all, gradient, slope = jax.tree.map(lambda *each: np.mean(np.stack(each), axis=0), *results)
        gains = (slope.mean - 2 * moments.mean * slope.variance) / T, slope.variance / T
    return terms_of_all, gradient


@eqx.filter_jit
def whole_gradient(objective, learned, noise, mask):
    """Terms of the whole record, with the gradient in what is learned."""

    def loss(learned):
        whole = eqx.tree_at(lambda m: m.branches.start, learned[0], learned[1], is_leaf=lambda x: x is None)
        every, _ = terms(whole, jnp.asarray(OBSERVED), None, noise, objective, mask)
        return total(every, objective), every

    (_, every), gradient = jax.value_and_grad(loss, has_aux=True)(learned)
    return every, gradient


@pytest.mark.parametrize("mask", [np.ones((T, M)), MASK], ids=["all seen", "some seen"])
def test_the_mean_over_segments_is_the_whole_record(mask):
    """Exact for a source that remembers one sample: values, and gradients of map, priors and starts.

    Unit variance included: with the gains of every segment known, a sample's effect on the record's variance comes out.
    """
    model, noise = random_double_model(SILENT, T, M), random_noise(SILENT, T)
    model = eqx.tree_at(lambda m: m.priors.groups[0].log_jitter, model, jnp.full(N, -30.0))
    learned = (_without_start(model), model.branches.start)
    expected, gradient = whole_gradient(SILENT.objective, learned, noise, jnp.asarray(mask))
    mean, mean_gradient = mean_over_segments(model, SILENT, noise, mask)
    for name, value in expected._asdict().items():
        np.testing.assert_allclose(getattr(mean, name), value, rtol=1e-5, err_msg=name)
    for (path, leaf), whole in zip(
        jax.tree_util.tree_leaves_with_path(mean_gradient), jax.tree.leaves(gradient), strict=True
    ):
        scale = np.linalg.norm(whole)
        assert np.linalg.norm(leaf - whole) <= 2e-4 * scale + 1e-9, jax.tree_util.keystr(path)


def test_with_convolutional_branches_segments_approximate_the_whole():
    """Up to what a branch sees beyond the margins of a segment."""
    config = changed(SILENT, network=Convolutional(channels=2), standardise=False)
    model = random_double_model(config, T, M, reach=ReceptiveField(8, 1))
    noise = random_noise(config, T)
    every, _ = eqx.filter_jit(terms)(model, jnp.asarray(OBSERVED), None, noise, config.objective)
    mean, _ = mean_over_segments(model, config, noise)
    np.testing.assert_allclose(mean.reconstruction, every.reconstruction, rtol=0.02)
    np.testing.assert_allclose(mean.diffusion, every.diffusion, rtol=0.02)
    np.testing.assert_allclose(mean.prior, every.prior, rtol=0.02)


def run(state, n_epochs):
    """One compilation for any number of epochs."""
    rows, rate = jnp.asarray(OBSERVED, jnp.float32), jnp.float32(1e-3)
    return minibatch_step.run(state, rows, PLAN, StepSettings.of(SILENT), rate, jnp.int32(n_epochs))


def test_an_epoch_moves_the_starts_of_its_segment_alone_and_a_pass_visits_each_once():
    model = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), random_double_model(SILENT, T, M))
    state = minibatch_step.init(model, jax.random.key(0), PLAN)
    after, _ = run(state, 1)
    moved = np.asarray((after.model.branches.start.mean != model.branches.start.mean).any(axis=0))
    assert moved.sum() == PLAN.span and np.ptp(np.flatnonzero(moved)) == PLAN.span - 1  # without a network, no margin
    assert (np.asarray(after.starts.count) > 0).sum() == PLAN.length
    assert (after.model.mixing.matrix != model.mixing.matrix).all()

    state, info = run(after, 2 * PLAN.count - 1)
    assert int(state.epoch) == 2 * PLAN.count and np.isfinite(info.total[: 2 * PLAN.count - 1]).all()
    assert (np.asarray(state.records.seen) == 1).all() and (np.asarray(state.starts.count) >= 2).all()


def test_which_recordings_are_trained_by_segments():
    default = configuration(segment_length="auto", network="auto")
    assert minibatches_of(50_000, default, regular=True) is None
    assert minibatches_of(60_000, default, regular=True).count == 7
    assert minibatches_of(60_000, default, regular=False) is None
    assert minibatches_of(60_000, changed(default, network=Dense()), regular=True) is None
    assert minibatches_of(2000, changed(default, segment_length=500), regular=True).size >= 450


@as_users_call()
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_recording_fitted_by_segments_is_separated_stopped_and_resumed(tmp_path):
    problem = simulate("linear", n_samples=2000, seed=100)
    values = problem.recording.values
    how = {"segment_length": 512, "max_epochs": 200, "tol": 0.0, "random_state": 0, "n_draws": 4, "verbose": False}
    how |= {"n_steps": 2, "network": Convolutional(channels=4)}
    whole = estimator(3, **how).fit(values)
    correlation = matched_correlation(whole.sources_, problem.sources)
    sobi = matched_correlation(SOBI(3).fit_transform(values), problem.sources)
    assert correlation.min() >= sobi.min() - 0.002
    assert np.isfinite(whole.sources_std_).all() and len(whole.sample_sources(2)) == 2

    def stop(report):
        if report.epoch >= 100:
            raise KeyboardInterrupt

    file = tmp_path / "training.checkpoint"
    assert estimator(3, **how, checkpoint=file, callbacks=(stop,)).fit(values).interrupted_
    resumed = estimator(3, **how, checkpoint=file).fit(values)
    np.testing.assert_array_equal(resumed.sources_, whole.sources_)
    resumed.save(tmp_path / "fit.safetensors")
    again = StrADiff.load(tmp_path / "fit.safetensors")
    np.testing.assert_array_equal(again.sample_sources(1, random_state=0), resumed.sample_sources(1, random_state=0))


def test_networks_do_not_run_ahead_of_the_moments_of_many_segments():
    """With STEADY beyond the number of segments they do: a denoising error of millions, and sources lost at .80."""
    sources = ar_sources(256 * 120, np.linspace(0.004, 0.18, 6), seed=0)
    problem = simulate("linear", sources=sources, n_channels=10, noise=0.05, seed=0)
    how = {"segment_length": 256, "max_epochs": 200, "tol": 0.0, "random_state": 0, "verbose": False}
    fit = estimator(6, **how, uncertainty="monte-carlo", n_draws=2).fit(problem.recording.values)
    assert fit.history_["diffusion"].max() < 10.0
    assert matched_correlation(fit.sources_, problem.sources).min() > 0.99
