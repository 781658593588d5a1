"""Every finding: a case with it, and one without."""

from __future__ import annotations

import numpy as np
import pytest
from short import configuration

from stradiff.assess.diagnostics import record_frequencies
from stradiff.assess.findings import (
    alike,
    collapsed,
    duplicated,
    ending,
    few_excursions,
    first_order,
    linear_suffices,
    misfit,
    named,
    short_record,
    silenced_shares,
    unstable,
)
from stradiff.assess.stability import stability_index
from stradiff.data.simulate import simulate
from stradiff.data.sources import gp_sources
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


# --- sources that cannot be separated -----------------------------------------------------------------


def test_alike_spectra_are_reported_and_distant_ones_are_not():
    (finding,) = alike(smooth(50, 5, 5.05), WEIGHTS, T)
    assert finding.sources == (1, 2) and finding.kind == "alike" and "Sources 2 and 3" in finding.sentence
    assert alike(smooth(50, 15, 5), WEIGHTS, T) == []


def test_a_set_of_alike_sources_is_one_finding():
    (finding,) = alike(smooth(5, 5.1, 5.2, 5.3), WEIGHTS, T)
    assert finding.sources == (0, 1, 2, 3)


def test_a_longer_record_separates_closer_spectra():
    spectra = smooth(5, 5.3)
    assert alike(spectra, WEIGHTS, 300)
    assert not alike(spectra, WEIGHTS, 30_000)


def test_a_single_source_is_not_alike_to_any():
    assert alike(smooth(5), WEIGHTS, T) == []


# --- superfluous sources ------------------------------------------------------------------------------


def test_a_source_without_share_in_the_recording(sources):
    matrix = np.array([[1.0, 0.5, 0.01], [0.3, 1.0, 0.01], [1.0, 1.0, -0.01]])
    shares = silenced_shares(sources @ matrix.T, sources, lambda S: S @ matrix.T)
    (finding,) = collapsed(np.ones(3), shares)
    assert finding.sources == (2,) and "n_components=2" in finding.sentence
    matrix[:, 2] *= 30
    assert collapsed(np.ones(3), silenced_shares(sources @ matrix.T, sources, lambda S: S @ matrix.T)) == []


def test_shares_ignore_missing_samples(sources):
    values = sources.copy()
    values[10:60, 1] = np.nan
    np.testing.assert_allclose(silenced_shares(values, sources, lambda S: S), 1 / 3, atol=0.02)


def test_a_vanished_source():
    (finding,) = collapsed(np.array([1.0, 0.0]), np.array([0.9, 0.0]))
    assert finding.sources == (1,) and "vanished" in finding.sentence


def test_a_duplicated_source(sources):
    columns = np.eye(3)
    assert duplicated(sources, columns) == []
    repeated = sources.copy()
    repeated[:, 1] = -sources[:, 0] + 0.2 * sources[:, 2]
    (finding,) = duplicated(repeated, columns)
    assert finding.sources == (0, 1) and "n_components=2" in finding.sentence


def test_two_sources_with_the_same_weights(sources):
    columns = np.array([[1.0, 1.0, 0.0], [1.0, 1.001, 0.2], [0.0, 0.0, 1.0]])
    estimated = first_order(sources, sources @ columns.T + 3.0)
    np.testing.assert_allclose(estimated, columns, atol=1e-9)
    (finding,) = duplicated(sources, estimated)
    assert finding.sources == (0, 1) and "same weights" in finding.sentence
    columns[1, 1] = 1.3
    assert duplicated(sources, columns) == []


# --- records that are too short -----------------------------------------------------------------------


def test_few_excursions():
    (finding,) = few_excursions(smooth(200, 5), WEIGHTS)
    assert finding.sources == (0,)
    assert few_excursions(smooth(50, 5), WEIGHTS) == []


def test_a_lasting_oscillation_is_not_slow():
    spectrum = 1e-3 + 300 * np.exp(-0.5 * (300 * (OMEGA - OMEGA[11])) ** 2)
    assert few_excursions(spectrum[None], WEIGHTS) == []


def test_short_records():
    (finding,) = short_record(5)
    assert "5 samples" in finding.sentence
    assert short_record(100) == []


# --- the map and its training -------------------------------------------------------------------------


def test_misfit():
    (finding,) = misfit(0.05, 0.01, 2, 4, linear=True)
    assert all(word in finding.sentence for word in ("n_components", "mixing='mlp'", "nu_y=0.05"))
    (finding,) = misfit(0.05, 0.01, 4, 4, linear=False)
    assert "n_components" not in finding.sentence and "mixing=" not in finding.sentence
    assert misfit(0.012, 0.01, 2, 4, linear=True) == []


@pytest.mark.parametrize(("kind", "fires"), [("linear", True), ("leaky_relu", False), ("tanh", False)])
def test_linear_suffices_where_the_map_is_linear(kind, fires):
    simulation = simulate(kind, seed=101)
    findings = linear_suffices(simulation.recording.values, simulation.sources, simulation.noise_free, nu_y=0.01)
    assert [f.kind for f in findings] == ["linear-suffices"] * fires
    assert all(f.severity == "note" for f in findings)


@pytest.mark.parametrize(("kind", "fires"), [("linear", True), ("leaky_relu", False)])
def test_noise_is_not_taken_for_a_nonlinearity(kind, fires):
    """The nonlinear map explains all of the noise, four per cent of the variance, in spite of a gap."""
    simulation = simulate(kind, noise=0.2, seed=101)
    values = simulation.recording.values.copy()
    fitted = values.copy()
    values[100:110, 0] = np.nan
    findings = linear_suffices(values, simulation.sources, fitted, nu_y=0.01)
    assert [f.kind for f in findings] == ["linear-suffices"] * fires


def test_endings():
    def fit(**states):  # without a model, which is not needed
        result = object.__new__(TrainingResult)
        vars(result).update({"n_epochs": 50, "converged": False, "interrupted": False, "diverged": False, **states})
        return result

    config = configuration(tol=1e-3, max_epochs=50)
    assert "raise max_epochs" in ending(fit(), config)[0].sentence
    assert "learning_rate" in ending(fit(diverged=True), config)[0].sentence
    assert "by hand" in ending(fit(interrupted=True), config)[0].sentence
    assert ending(fit(converged=True), config) == []
    assert ending(fit(), configuration(tol=0.0, max_epochs=50)) == []


# --- restarts -----------------------------------------------------------------------------------------


def test_stability_and_its_finding(sources):
    rng = np.random.default_rng(102)
    noisy = sources[:, [2, 0, 1]] * [1, -1, 2]
    noisy[:, 0] = rng.standard_normal(T)  # the third source is a different one in that fit
    stability = stability_index(sources, [noisy, sources])
    np.testing.assert_allclose(stability[:2], 1.0)
    assert stability[2] < 0.7
    (finding,) = unstable(stability, 3)
    assert finding.sources == (2,) and "3 restarts" in finding.sentence
    assert unstable(stability_index(sources, [-sources]), 2) == []


def test_a_constant_source_is_not_stable(sources):
    flat = np.where(np.arange(3) == 1, 0.0, sources)
    assert stability_index(flat, [flat])[1] == 0.0


def test_names():
    assert (named([1]), named([0, 2])) == ("Source 2", "Sources 1 and 3")
