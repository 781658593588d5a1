"""Every finding: a case in which it fires and one in which it must not."""

from __future__ import annotations

import numpy as np
import pytest

from stradiff.assess.diagnostics.alike import alike
from stradiff.assess.diagnostics.collapsed import collapsed, silenced_shares
from stradiff.assess.diagnostics.duplicated import duplicated, first_order
from stradiff.assess.diagnostics.ending import ending
from stradiff.assess.diagnostics.finding import named
from stradiff.assess.diagnostics.frequencies import record_frequencies
from stradiff.assess.diagnostics.linear_suffices import linear_suffices
from stradiff.assess.diagnostics.misfit import misfit
from stradiff.assess.diagnostics.record_length import few_excursions, short_record
from stradiff.assess.diagnostics.unstable import unstable
from stradiff.assess.stability import stability_index
from stradiff.config import Settings
from stradiff.data.simulate import gp_sources, simulate
from stradiff.train import TrainingResult

T = 1000
OMEGA, WEIGHTS = record_frequencies(T)


def smooth(*length_scales):
    """Spectra of RBF sources (length-scales in samples) with the priors' usual white part."""
    scales = np.asarray(length_scales)[:, None]
    return np.sqrt(2 * np.pi) * scales * np.exp(-0.5 * (scales * OMEGA) ** 2) + 1e-3


@pytest.fixture(scope="module")
def sources():
    return gp_sources(T, seed=100)


def test_frequencies_make_the_mean_of_a_spectrum_one():
    for n_samples in (2, 5, 1000, 30_000):
        omega, weights = record_frequencies(n_samples)
        assert weights.sum() == pytest.approx(1.0) and (omega > 0).all() and (omega <= np.pi + 1e-12).all()
    omega, weights = record_frequencies(30_000)
    pole = 0.99
    spectrum = (1 - pole**2) / np.abs(1 - pole * np.exp(-1j * omega)) ** 2
    assert weights @ spectrum == pytest.approx(1.0, rel=0.02)


# --- sources that cannot be told apart ----------------------------------------------------------------


def test_alike_spectra_are_named_and_distant_ones_are_not():
    (found,) = alike(smooth(50, 5, 5.05), WEIGHTS, T)
    assert found.sources == (1, 2) and found.kind == "alike" and "sources 2 and 3" in found.sentence.lower()
    assert alike(smooth(50, 15, 5), WEIGHTS, T) == []


def test_a_set_of_alike_sources_is_one_finding():
    (found,) = alike(smooth(5, 5.1, 5.2, 5.3), WEIGHTS, T)
    assert found.sources == (0, 1, 2, 3)


def test_a_longer_record_tells_more_apart():
    near = smooth(5, 5.3)
    assert alike(near, WEIGHTS, 300)
    assert not alike(near, WEIGHTS, 30_000)


def test_one_source_has_nobody_to_be_alike():
    assert alike(smooth(5), WEIGHTS, T) == []


# --- sources that are none ----------------------------------------------------------------------------


def test_a_source_the_recording_does_not_need(sources):
    matrix = np.array([[1.0, 0.5, 0.01], [0.3, 1.0, 0.01], [1.0, 1.0, -0.01]])
    shares = silenced_shares(sources @ matrix.T, sources, lambda S: S @ matrix.T)
    (found,) = collapsed(np.ones(3), shares)
    assert found.sources == (2,) and "n_components=2" in found.sentence
    matrix[:, 2] *= 30
    assert collapsed(np.ones(3), silenced_shares(sources @ matrix.T, sources, lambda S: S @ matrix.T)) == []


def test_missing_samples_do_not_spoil_the_shares(sources):
    values = sources.copy()
    values[10:60, 1] = np.nan
    np.testing.assert_allclose(silenced_shares(values, sources, lambda S: S), 1 / 3, atol=0.02)


def test_a_source_that_vanished():
    (found,) = collapsed(np.array([1.0, 0.0]), np.array([0.9, 0.0]))
    assert found.sources == (1,) and "vanished" in found.sentence


def test_a_source_twice(sources):
    columns = np.eye(3)
    assert duplicated(sources, columns) == []
    twice = sources.copy()
    twice[:, 1] = -sources[:, 0] + 0.2 * sources[:, 2]
    (found,) = duplicated(twice, columns)
    assert found.sources == (0, 1) and "n_components=2" in found.sentence


def test_two_sources_in_the_same_direction(sources):
    columns = np.array([[1.0, 1.0, 0.0], [1.0, 1.001, 0.2], [0.0, 0.0, 1.0]])
    estimated = first_order(sources, sources @ columns.T + 3.0)
    np.testing.assert_allclose(estimated, columns, atol=1e-9)
    (found,) = duplicated(sources, estimated)
    assert found.sources == (0, 1) and "same weights" in found.sentence
    columns[1, 1] = 1.3
    assert duplicated(sources, columns) == []


# --- records that are too short -----------------------------------------------------------------------


def test_few_excursions():
    (found,) = few_excursions(smooth(200, 5), WEIGHTS)
    assert found.sources == (0,)
    assert few_excursions(smooth(50, 5), WEIGHTS) == []


def test_an_oscillation_is_not_slow_however_long_it_lasts():
    lasting = 1e-3 + 300 * np.exp(-0.5 * (300 * (OMEGA - OMEGA[11])) ** 2)
    assert few_excursions(lasting[None], WEIGHTS) == []


def test_short_records():
    (found,) = short_record(5)
    assert "5 samples" in found.sentence
    assert short_record(100) == []


# --- fits that are worse than they claim --------------------------------------------------------------


def test_misfit():
    (found,) = misfit(0.05, 0.01, 2, 4, "linear")
    assert all(word in found.sentence for word in ("n_components", "mixing='mlp'", "nu_y=0.05"))
    (found,) = misfit(0.05, 0.01, 4, 4, "mlp")
    assert "n_components" not in found.sentence and "mixing=" not in found.sentence
    assert misfit(0.012, 0.01, 2, 4, "linear") == []


@pytest.mark.parametrize(("kind", "fires"), [("linear", True), ("leaky_relu", False), ("tanh", False)])
def test_linear_suffices_where_the_map_is_linear(kind, fires):
    made = simulate(kind, seed=101)
    found = linear_suffices(made.recording.values, made.sources, made.noise_free, nu_y=0.01)
    assert [f.kind for f in found] == ["linear-suffices"] * fires
    assert all(f.severity == "note" for f in found)


@pytest.mark.parametrize(("kind", "fires"), [("linear", True), ("leaky_relu", False)])
def test_noise_is_not_taken_for_bending(kind, fires):
    """The bent map explains all of the noise, four per cent of the variance; a gap changes nothing."""
    made = simulate(kind, noise=0.2, seed=101)
    values = made.recording.values.copy()
    fitted = values.copy()
    values[100:110, 0] = np.nan
    found = linear_suffices(values, made.sources, fitted, nu_y=0.01)
    assert [f.kind for f in found] == ["linear-suffices"] * fires


def test_endings():
    def fit(**how):  # without a model, which nobody looks at
        made = object.__new__(TrainingResult)
        vars(made).update({"n_epochs": 50, "converged": False, "interrupted": False, "diverged": False, **how})
        return made

    settings = Settings(tol=1e-3, max_epochs=50)
    assert "raise max_epochs" in ending(fit(), settings)[0].sentence
    assert "learning_rate" in ending(fit(diverged=True), settings)[0].sentence
    assert "by hand" in ending(fit(interrupted=True), settings)[0].sentence
    assert ending(fit(converged=True), settings) == []
    assert ending(fit(), Settings(tol=0.0, max_epochs=50)) == []


# --- restarts -----------------------------------------------------------------------------------------


def test_stability_and_what_is_said_of_it(sources):
    rng = np.random.default_rng(102)
    noisy = sources[:, [2, 0, 1]] * [1, -1, 2]
    noisy[:, 0] = rng.standard_normal(T)  # the third source is another one in that fit
    stability = stability_index(sources, [noisy, sources])
    np.testing.assert_allclose(stability[:2], 1.0)
    assert stability[2] < 0.7
    (found,) = unstable(stability, 3)
    assert found.sources == (2,) and "3 restarts" in found.sentence
    assert unstable(stability_index(sources, [-sources]), 2) == []


def test_a_flat_source_is_not_stable(sources):
    flat = np.where(np.arange(3) == 1, 0.0, sources)
    assert stability_index(flat, [flat])[1] == 0.0


def test_names():
    assert (named([1]), named([0, 2])) == ("source 2", "sources 1 and 3")
