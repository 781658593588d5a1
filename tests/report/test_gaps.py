"""Missing values of a recording are shown, reported, and not counted."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

from stradiff.assess import explained_variance
from stradiff.data import Recording
from stradiff.report import plots
from stradiff.report.comparison import baselines
from stradiff.report.plots.style import envelope
from stradiff.report.summary import describe_recording, summarise
from stradiff.report.words import sentence


@pytest.fixture
def gappy(recording):
    values = recording.values.copy()
    values[100:120] = values[50, 1] = np.nan
    return Recording(values=values, sampling_rate=64.0, name="walk", missing="mask")


def shaded(ax):
    """Position and width of every shade."""
    paths = [path for shape in ax.collections if isinstance(shape, PolyCollection) for path in shape.get_paths()]
    return [(path.vertices[:, 0].min(), np.ptp(path.vertices[:, 0])) for path in paths]


def test_channels_are_shaded_where_values_are_missing(gappy):
    ax = plots.plot_recording(gappy.values, np.arange(400), gappy.channel_names)
    np.testing.assert_allclose(sorted(shaded(ax)), [(49.5, 1.0), *[(99.5, 20.0)] * 4])
    assert not shaded(plots.plot_recording(gappy.filled, np.arange(400), gappy.channel_names))


def test_sources_are_shaded_where_the_recording_has_gaps(gappy, linear_fit):
    missing = ~gappy.mask.all(axis=1)
    for ax in plots.plot_sources(linear_fit.sources_, None, np.arange(400), missing=missing):
        np.testing.assert_allclose(sorted(shaded(ax)), [(49.5, 1.0), (99.5, 20.0)])


def test_a_long_curve_with_gaps_keeps_its_extremes():
    curve = np.sin(np.arange(100_000.0))
    curve[500:90_000:7] = np.nan
    curve[60_003] = 5.0
    assert np.nanmax(envelope(np.arange(100_000), curve)[1]) == 5.0
    assert np.isfinite(envelope(np.arange(100_000), curve)[1]).all()


def test_missing_values_are_not_counted(gappy, linear_fit):
    explained = explained_variance(gappy.values, linear_fit.reconstruction_, mask=gappy.mask)
    assert explained == pytest.approx(1.0)
    wrong = np.where(gappy.mask, linear_fit.reconstruction_, 100.0)
    assert explained_variance(gappy.values, wrong, mask=gappy.mask) == explained
    by_hand = 1 - np.nansum((gappy.values - 0.1) ** 2, axis=0) / np.nansum(
        (gappy.values - np.nanmean(gappy.values, axis=0)) ** 2, axis=0
    )
    shares = explained_variance(gappy.values, np.full((400, 4), 0.1), per_channel=True, mask=gappy.mask)
    np.testing.assert_allclose(shares, by_hand)


def test_the_summary_has_the_share_of_missing_values(gappy, recording, linear_fit):
    assert describe_recording(recording)["missing_share"] == 0.0
    facts = summarise(linear_fit, gappy)
    assert facts["recording"]["missing_share"] == pytest.approx(81 / 1600)
    assert "Missing values (5.1 % of all) were left out of the fit and filled in." in sentence(facts)
    assert "issing" not in sentence(summarise(linear_fit, recording))


def test_baselines_interpolate_gaps(gappy):
    reconstructions = {result.name: result.reconstruction for result in baselines(gappy, 3)}
    assert set(reconstructions) == {"SOBI", "FastICA", "PCA"}
    np.testing.assert_allclose(reconstructions["PCA"], gappy.filled, atol=0.05 * gappy.filled.std(axis=0).max())
