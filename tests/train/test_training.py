"""A whole fit seen from outside: what it leaves behind, what stops it, and that it always leaves something usable."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from quick_compile import quick_compile
from short import changed, configuration

from stradiff import simulate
from stradiff.config import Dense
from stradiff.initialise import initialise
from stradiff.model import numerics
from stradiff.train import Callback, train
from stradiff.train import step as training_step
from stradiff.train.callbacks import PATIENCE, EarlyStopping, Report
from stradiff.train.step import CHUNK

T, N = 150, 2
SMALL = configuration(
    n_sources=N,
    network=Dense(width=4),
    n_steps=2,
    init="sobi",
    prior="matern32",
    length_scale=0.1,
    max_epochs=250,
)


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compile():
        yield


@pytest.fixture(scope="module")
def observed():
    values = simulate("linear", n_samples=T, seed=0).recording.values[:, :N]
    return ((values - values.mean(axis=0)) / values.std(axis=0)).astype(np.float32)


@pytest.fixture(scope="module")
def run(observed):
    """``train`` with defaults of this module; one compilation serves all tests."""

    def run(callbacks=(), record="auto", seed=0, **parameters):
        with numerics():
            start = initialise(observed, None, changed(SMALL, **parameters), seed=seed)
            return train(start, record=record, callbacks=callbacks)

    return run


@pytest.fixture(scope="module")
def plain(run):
    return run()


def leaves(result):
    return jax.tree.leaves(result.model)


def assert_usable(result):
    assert all(np.isfinite(leaf).all() for leaf in leaves(result))
    assert all(len(rows) == result.n_epochs and np.isfinite(rows).all() for rows in result.history.values())
    assert result.paths and all(np.isfinite(path).all() for path in result.paths.values())
    assert max(result.paths) == result.n_epochs


def test_history_has_a_row_for_every_epoch(plain):
    assert plain.n_epochs == 250
    scalars = {"total", "reconstruction", "prior", "diffusion", "kl", "volume", "reconstruction_mse"}
    assert set(plain.history) == {*scalars, "length_scales"}
    assert all(plain.history[name].shape == (250,) for name in scalars)
    assert plain.history["length_scales"].shape == (250, N)
    assert (plain.history["length_scales"] > 0).all()
    assert_usable(plain)
    assert not (plain.converged or plain.interrupted or plain.diverged)


def test_history_adds_up(plain):
    history, weights = plain.history, SMALL.objective
    parts = history["reconstruction"] + weights.lambda_prior * history["prior"] + weights.lambda_kl * history["kl"]
    parts += weights.lambda_diff * history["diffusion"] + weights.volume_weight * history["volume"]
    np.testing.assert_allclose(history["total"], parts, rtol=1e-6)
    np.testing.assert_allclose(
        history["reconstruction"] * 2 * SMALL.objective.nu_y / (T * N), history["reconstruction_mse"], rtol=1e-4
    )


def test_the_objective_falls(plain):
    total = plain.history["total"]
    first, last = total[:50], total[-50:]
    assert last.mean() < first.mean() - 5 * (first.std() + last.std()) / np.sqrt(50)


def test_length_scales_move_from_their_start(plain):
    np.testing.assert_allclose(plain.history["length_scales"][0], 0.1, rtol=0.05)  # after one step
    assert np.abs(plain.history["length_scales"][-1] - 0.1).min() > 1e-3


def test_same_seed_same_bits_other_seed_other_bits(run, plain):
    again, other = run(), run(seed=1)
    for first, second in zip(leaves(plain), leaves(again), strict=True):
        np.testing.assert_array_equal(first, second)
    for name, rows in plain.history.items():
        np.testing.assert_array_equal(rows, again.history[name])
    assert (plain.history["total"] != other.history["total"]).any()


def test_columns_of_the_map_stay_at_norm_one(plain):
    np.testing.assert_allclose(np.linalg.norm(plain.model.mixing.matrix, axis=0), 1.0, rtol=1e-5)


# --- paths -----------------------------------------------------------------------------------------------


def test_paths_at_the_beginning_the_middle_and_the_end(plain):
    assert set(plain.paths) == {0, CHUNK, 250}
    assert all(path.shape == (SMALL.diffusion.n_steps + 1, T, N) for path in plain.paths.values())


@pytest.mark.parametrize(
    ("max_epochs", "expected"), [(0, {0}), (50, {0, 50}), (100, {0, 100}), (450, {0, 200, 450}), (900, {0, 400, 900})]
)
def test_the_middle_is_about_half_way(run, max_epochs, expected):
    assert set(run(max_epochs=max_epochs).paths) == expected


def test_recording_at_chosen_epochs_does_not_disturb_the_fit(run, plain):
    recorded = run(record=(0, 7, 150))
    assert set(recorded.paths) == {0, 7, 150, 250}
    for first, second in zip(leaves(plain), leaves(recorded), strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(recorded.paths[0], plain.paths[0])
    np.testing.assert_array_equal(recorded.history["total"], plain.history["total"])


# --- what ends a fit -------------------------------------------------------------------------------------


def test_no_epoch_at_all_leaves_the_start(run):
    result = run(max_epochs=0)
    assert result.n_epochs == 0 and not result.converged
    assert_usable(result)


def test_early_stopping_ends_a_fit_that_no_longer_moves(run):
    result = run(max_epochs=5000, tol=1e6)
    assert result.converged and result.n_epochs == 2 * PATIENCE
    assert_usable(result)


def history_of(first, second):
    return {"total": np.repeat([first, second], PATIENCE).astype(float)}


@pytest.mark.parametrize(
    ("tol", "history", "stops"),
    [
        (0.01, history_of(10.0, 9.5), True),  # falls by 0.5, less than 0.01 for each of 100 values
        (0.01, history_of(10.0, 8.5), False),
        (0.01, history_of(10.0, 12.0), True),  # rises
        (0.0, history_of(10.0, 10.0), False),  # switched off
        (0.01, {"total": np.full(2 * PATIENCE - 1, 10.0)}, False),  # too early to say
    ],
)
def test_when_early_stopping_stops(tol, history, stops):
    stopping = EarlyStopping(tol)
    report = Report(len(history["total"]), 10_000, 100, history, lambda: np.zeros((3, 2)))
    assert stopping(report) is stops
    assert stopping.converged is stops


def test_callbacks_see_the_fit_and_can_stop_it(run):
    reports = []

    def first(report):
        reports.append(report)
        return report.epoch >= 200

    def second(report):
        reports.append(report)

    assert isinstance(second, Callback)
    result = run(callbacks=[first, second], max_epochs=1000)
    assert result.n_epochs == 200 and not (result.converged or result.interrupted)
    assert [report.epoch for report in reports] == [100, 100, 200, 200], "both are called, even when one stops the fit"
    report = reports[-1]
    assert (report.max_epochs, report.n_values) == (1000, T * N)
    assert len(report.history["total"]) == 200
    with numerics():
        sources = report.sources()
    assert sources.shape == (T, N) and np.isfinite(sources).all()
    assert_usable(result)


def test_an_interrupt_leaves_a_usable_fit(run):
    def interrupt(report):
        if report.epoch == 200:
            raise KeyboardInterrupt

    result = run(callbacks=[interrupt])
    assert result.interrupted and result.n_epochs == 200
    assert_usable(result)


def test_an_interrupt_before_anything_was_learned_is_an_interrupt(run, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(training_step, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run()


def test_an_error_of_a_callback_is_not_swallowed(run):
    def broken(report):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        run(callbacks=[broken])


def test_divergence_keeps_the_last_good_state(run):
    result = run(learning_rate=1e6)
    assert result.diverged and result.n_epochs < 250
    assert_usable(result)


def test_an_objective_that_breaks_late_keeps_what_was_reached(run, monkeypatch):
    """The chunk in which it happens is given up, all before it stay."""
    real, calls = training_step.run, []

    def breaks_in_third_chunk(*arguments):
        state, info = real(*arguments)
        calls.append(None)
        return state, info._replace(total=info.total.at[5].set(np.nan)) if len(calls) == 3 else info

    monkeypatch.setattr(training_step, "run", breaks_in_third_chunk)
    result = run(max_epochs=1000)
    assert result.diverged and result.n_epochs == 2 * CHUNK
    assert_usable(result)


# --- compilation -----------------------------------------------------------------------------------------


def test_fits_of_one_shape_share_one_compilation(run, plain, monkeypatch):
    """Seed, learning rate, tolerance and the number of epochs are no reason to compile again; a weight is."""

    def traced(*_):
        raise NotImplementedError("compiled again")

    monkeypatch.setattr(training_step, "terms", traced)
    run(seed=7, learning_rate=2e-3, max_epochs=3, tol=1.0, record=(1, 2))
    with pytest.raises(NotImplementedError, match="compiled again"):
        run(max_epochs=1, lambda_prior=0.5)
