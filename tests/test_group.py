"""Several recordings with one mixing: terms add up, padding changes nothing, and together they separate better."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from quick_compile import quick_compile
from quick_runs import write_page
from random_models import random_double_model, random_noise
from short import configuration, estimator

from stradiff import Convolutional, Dense, Recording, StrADiff, fit_group, simulate
from stradiff.assess import mean_correlation
from stradiff.cli import main
from stradiff.config import DEFAULT, PAPER
from stradiff.data.sources import gp_sources
from stradiff.errors import InputError, OptionError
from stradiff.model import numerics
from stradiff.model.concatenation import Concatenation
from stradiff.model.diffusion.networks import ReceptiveField
from stradiff.posterior.covariance import covariance_of
from stradiff.posterior.cross_talk import cross_talk_covariance
from stradiff.posterior.joint import posteriors_of
from stradiff.posterior.mixing_uncertainty import joint_covariance
from stradiff.posterior.mode import Observations, find_mode
from stradiff.posterior.segments import Segments
from stradiff.train.objective import Noise, terms
from stradiff.train.volume import volume

BASE = {"n_draws": 5, "random_state": 0, "verbose": False, "tol": 0.0, "n_steps": 3}
SHORT = {"max_epochs": 3, "prior": "matern12", **BASE}
PLANTED = {"max_epochs": 40, "uncertainty": "monte-carlo", **BASE}
WEIGHTS = PAPER.objective.replace(lambda_volume=1.0)
EQUAL, UNEQUAL = Concatenation((40, 40, 40)), Concatenation((40, 23, 31))
M = 3


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compile():
        yield


def model_of(layout, *, standardise=False):
    network = Dense(width=16) if layout.equal_lengths else "convolutional"
    config = configuration(n_sources=2, standardise=standardise, n_steps=3, network=network)
    reach = None if layout.equal_lengths else ReceptiveField(8, 2)
    n_samples = layout.n_recordings * layout.length
    return random_double_model(config, n_samples, M, reach=reach, layout=layout), random_noise(config, n_samples)


def trials(count, n_samples, seed=0):
    """Recordings and true sources of trials with one mixing and 10 % noise."""
    sources = np.vstack([gp_sources(n_samples, (25.0, 8.0, 3.0), seed=100 * seed + k) for k in range(count)])
    made = simulate("linear", sources=sources, noise=0.1, seed=seed)
    return np.split(made.recording.values, count), np.split(made.sources, count)


def test_padding_goes_on_from_the_end_and_comes_off_again():
    bare = np.arange(sum(UNEQUAL.lengths))[:, None] * [1.0, 2.0]
    padded = UNEQUAL.pad(bare)
    assert padded.shape == (120, 2)
    np.testing.assert_array_equal(UNEQUAL.unpad(padded), bare)
    np.testing.assert_array_equal(padded[40 + 22 : 40 + 25, 0], [62, 61, 60])
    assert list(map(len, UNEQUAL.split(padded))) == list(UNEQUAL.lengths)
    very_short = Concatenation((2, 9)).pad(np.arange(11.0))
    assert set(very_short[:9]) == {0.0, 1.0}


@pytest.mark.parametrize("layout", [EQUAL, UNEQUAL], ids=["dense", "convolutional, padded"])
def test_terms_are_the_sums_of_those_of_every_recording(layout):
    rng = np.random.default_rng(2)
    with numerics():
        model, noise = model_of(layout)
        observed = jnp.asarray(rng.standard_normal((layout.n_recordings * layout.length, M)))
        mask = layout.pad_mask(None, layout.unpad(np.asarray(observed)).shape)
        every, _ = terms(model, observed, None, noise, WEIGHTS, None if mask is None else jnp.asarray(mask))
        sums = dict.fromkeys(every._fields, 0.0)
        for number, alone in enumerate(model.per_recording()):
            where = layout.rows(number)
            own = Noise(noise.start[:, where], noise.tau, noise.diffusion[:, where], noise.times)
            of_one, _ = terms(alone, observed[where], None, own, WEIGHTS)
            sums = {name: sums[name] + value for name, value in of_one._asdict().items()}
    # Where there is padding, the others have terms of it.
    names = every._fields if layout.equal_lengths else ("reconstruction", "diffusion")
    for name in names:
        np.testing.assert_allclose(getattr(every, name), sums[name], rtol=1e-6, err_msg=name)


def test_padding_takes_from_the_volume_what_it_adds_to_the_prior():
    """Where nothing is observed, half the log-determinants of K^-1 and of K cancel, but for the ends of a recording."""
    config = configuration(n_sources=2, network="convolutional")
    with numerics():
        volumes = []
        for layout in (Concatenation((400, 400)), Concatenation((400, 2))):
            model = random_double_model(config, 800, M, reach=ReceptiveField(8, 1), layout=layout)
            noise = jax.random.key(0)
            volumes.append(float(volume(model, jnp.zeros((2, 800)), 0.01, noise)))
        of_prior = -float(model.log_prior(jnp.zeros((2, 800)), None)) / 2.0 - 400 * np.log(2.0 * np.pi)
    seen = volumes[0] / 800
    padding = 400 * (volumes[1] - 402 * seen) / 398
    np.testing.assert_allclose(padding, -of_prior, rtol=0.02)


def test_one_recording_alone_is_the_whole():
    with numerics():
        model, noise = model_of(Concatenation((40,)), standardise=True)
        (alone,) = model.per_recording()
        at_rest = jnp.zeros_like(noise.start)
        np.testing.assert_allclose(model.at(at_rest), alone.at(at_rest), rtol=1e-10)
        np.testing.assert_allclose(model.log_prior(at_rest, None), alone.log_prior(at_rest, None))


@pytest.mark.parametrize("layout", [EQUAL, UNEQUAL], ids=["dense", "convolutional, padded"])
def test_unit_variance_is_that_over_all_recordings_and_each_alone_is_as_in_the_group(layout):
    with numerics():
        model, noise = model_of(layout, standardise=True)
        at_rest = jnp.zeros_like(noise.start)
        sources = np.asarray(model.at(at_rest)).T
        bare = layout.unpad(sources)
        np.testing.assert_allclose(bare.mean(axis=0), 0.0, atol=1e-9)
        np.testing.assert_allclose(bare.std(axis=0), 1.0, rtol=1e-6)
        for number, (alone, own) in enumerate(zip(model.per_recording(), layout.split(sources), strict=True)):
            at_mean = alone.at(jnp.zeros_like(alone.branches.start.mean))
            np.testing.assert_allclose(np.asarray(at_mean).T, own, rtol=1e-6, atol=1e-9, err_msg=str(number))
        paths = np.asarray(model.paths(noise.start))
        assert paths.shape == (2, 4, layout.n_recordings * layout.length)


def test_the_information_of_recordings_about_the_map_adds_up():
    spectra, weights = np.array([[1.0, 1.0], [1.9, 0.1]]), np.array([0.5, 0.5])
    short, long = (cross_talk_covariance(spectra, weights, n_samples) for n_samples in (100, 300))
    np.testing.assert_allclose(joint_covariance([short] * 3), long, rtol=1e-10)


def test_the_posterior_with_padding_is_that_without():
    rng = np.random.default_rng(0)
    with numerics():
        model, _ = model_of(UNEQUAL, standardise=True)
        observed = rng.standard_normal((120, M))
        mask = UNEQUAL.pad_mask(None, UNEQUAL.unpad(observed).shape)
        keys = jax.random.split(jax.random.key(0), 3)
        posteriors, mean, spread = posteriors_of(model, observed, mask, None, Segments.whole(120), keys)
        number, alone = 1, model.per_recording()[1]
        row = jnp.asarray(observed[UNEQUAL.rows(number)])
        observations = Observations(row, None, None, covariance_of(alone, None), posteriors[number].nu)
        mode = find_mode(alone, posteriors[number].mode, observations)
    np.testing.assert_allclose(posteriors[number].mode, mode, atol=1e-3)
    assert mean.shape == spread.shape == (sum(UNEQUAL.lengths), 2)


@pytest.fixture(scope="module")
def planted():
    recordings, truth = trials(4, 250, seed=1)
    return recordings, truth, fit_group(recordings, estimator(3, **PLANTED))


def test_a_group_separates_at_least_as_well_as_its_members_alone(planted):
    recordings, truth, fits = planted
    alone = [estimator(3, **PLANTED).fit(one) for one in recordings]
    together, apart = (
        np.mean([mean_correlation(fit.sources_, true) for fit, true in zip(some, truth, strict=True)])
        for some in (fits, alone)
    )
    assert together >= apart, f"together {together:.4f}, alone {apart:.4f}"
    assert together > 0.9


def test_members_share_the_map_and_its_readout(planted):
    recordings, _, fits = planted
    for fit, values in zip(fits, recordings, strict=True):
        np.testing.assert_array_equal(fit.mixing_, fits[0].mixing_)
        np.testing.assert_array_equal(fit.noise_std_, fits[0].noise_std_)
        error = values - fit.reconstruction_
        assert np.mean(error**2) < 0.05 * np.var(values)
        low, high = fit.credible_interval()
        assert (low < fit.sources_).all() and (fit.sources_ < high).all()
    assert fits[1].fit_info_["group"]["recording"] == "recording 2"
    everything = np.vstack([fit.sources_ for fit in fits])
    np.testing.assert_allclose(everything.std(axis=0), 1.0, rtol=1e-5)


def test_members_of_other_lengths_can_be_saved_and_loaded(tmp_path):
    (first, second), _ = trials(2, 60)
    second = second[:45].copy()
    second[10:14, 1] = np.nan
    named = {"long": first, "short": Recording(second, sampling_rate=10.0, missing="mask")}
    fits = fit_group(named, estimator(3, missing="mask", **SHORT))
    assert [fit.sources_.shape for fit in fits] == [(60, 3), (45, 3)]
    fit = fits[1]
    np.testing.assert_allclose(fit.length_scales_ * fit.span_, fits[0].length_scales_ * fits[0].span_, rtol=1e-5)
    fit.save(tmp_path / "short.stradiff")
    loaded = StrADiff.load(tmp_path / "short.stradiff")
    np.testing.assert_array_equal(loaded.sources_, fit.sources_)
    np.testing.assert_array_equal(loaded.mixing_, fits[0].mixing_)
    np.testing.assert_array_equal(loaded.transform(first), fits[0].transform(first))
    np.testing.assert_array_equal(loaded.inverse_transform(fit.sources_), fit.reconstruction_)
    np.testing.assert_array_equal(loaded.sample_sources(2, 0), fit.sample_sources(2, 0))
    assert loaded.fit_info_["group"] == {"recording": "short", "recordings": ["long", "short"]}
    assert fit.reverse_path().shape[1:] == (45, 3)


def test_the_order_of_recordings_does_not_matter():
    recordings, truth = trials(3, 120)
    order = [2, 0, 1]
    how = {**SHORT, "max_epochs": 0, "network": "none"}
    one = fit_group(recordings, estimator(3, init=np.vstack(truth), **how))
    other = fit_group([recordings[k] for k in order], estimator(3, init=np.vstack([truth[k] for k in order]), **how))
    for position, k in enumerate(order):
        np.testing.assert_allclose(other[position].sources_, one[k].sources_, atol=2e-3)


def test_one_recording_is_a_plain_fit():
    (values,), _ = trials(1, 120)
    how = {**SHORT, "uncertainty": "monte-carlo", "max_epochs": 0}
    (fit,) = fit_group([pd.DataFrame(values, columns=["a", "b", "c"])], estimator(3, **how))
    np.testing.assert_array_equal(fit.sources_, estimator(3, **how).fit(values).sources_)
    assert list(fit.feature_names_in_) == ["a", "b", "c"]


GOOD = np.random.default_rng(0).standard_normal((60, 3))
UNEVEN = np.cumsum(np.random.default_rng(1).uniform(0.5, 1.5, 60))


@pytest.mark.parametrize(
    ("recordings", "parameters", "message"),
    [
        ([], {}, "no recording"),
        ({"a": GOOD, "b": GOOD[:, :2]}, {}, "'b' has 2 channels and 'a' has 3"),
        ({"a": GOOD, "b": np.where(GOOD > 2, np.nan, GOOD)}, {}, "In 'b': .*NaN"),
        (
            [Recording(GOOD, channel_names=("x", "y", "z"), name="a"), pd.DataFrame(GOOD, columns=["x", "z", "y"])],
            {},
            "Channel 2 is 'z' in 'recording 2' and 'y' in 'a'",
        ),
        ([GOOD, Recording(GOOD, times=UNEVEN, name="b")], {}, "times of 'b' are not evenly spaced"),
        (
            [Recording(GOOD, sampling_rate=10.0, name="a"), Recording(GOOD, sampling_rate=20.0, name="b")],
            {},
            "'b' has 20 samples per second and 'a' has 10",
        ),
        ([GOOD, GOOD[:50]], {"network": "dense"}, "from 50 to 60 samples, and a dense network"),
        (
            [GOOD, GOOD],
            {"network": "convolutional", "segment_length": 1000},
            "segment_length=1000 is for one long recording",
        ),
        ([GOOD, GOOD], {"init": GOOD}, "must be \\(120, 2\\)"),
    ],
)
def test_recordings_that_do_not_belong_together_are_refused(recordings, parameters, message):
    with pytest.raises((InputError, OptionError), match=message):
        fit_group(recordings, estimator(2, **{**SHORT, **parameters}))


def test_the_configuration_of_a_group():
    def network(*lengths):
        return DEFAULT.for_recordings(lengths).network(max(lengths))

    assert network(100, 100) == Dense()
    assert network(100, 90) == network(100_000, 100_000) == Convolutional()
    assert DEFAULT.for_recordings([100_000] * 2).segment_length(100_000) is None
    assert DEFAULT.for_recordings([100_000]).segment_length(100_000) == 8192


def test_the_command_line_fits_a_folder_together(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("stradiff.report.write_report", write_page)
    recordings, _ = trials(2, 120)
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name, values in zip(("b", "a"), (recordings[0], recordings[1][:100]), strict=True):
        pd.DataFrame(values).to_csv(folder / f"{name}.csv", index=False)
    options = ["-n", "3", "--max-epochs", "2", "--uncertainty", "monte-carlo", "--prior", "matern12", "--json"]
    assert main(["separate", str(folder), "--shared-mixing", "--out", str(out), *options]) == 0
    summaries = json.loads(capsys.readouterr().out)["recordings"]
    assert [one["name"] for one in summaries] == ["a", "b"]
    fits = [StrADiff.load(out / name / "fit.stradiff") for name in "ab"]
    np.testing.assert_array_equal(fits[0].mixing_, fits[1].mixing_)
    assert (out / "b" / "report.html").exists() and not (out / "training.checkpoint").exists()
    for wrong in (["--shared-mixing", "--jobs", "2"], []):
        path = folder if wrong else folder / "a.csv"
        words = wrong or ["--shared-mixing"]
        assert main(["separate", str(path), *words, "--out", str(tmp_path / "no"), *options[:2]]) == 2
        assert "--shared-mixing" in capsys.readouterr().err
