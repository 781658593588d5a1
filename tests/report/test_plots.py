"""Every plot uses the given axes, shows its numbers, and leaves the state of matplotlib unchanged."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from stradiff.assess.metrics import matched_correlation
from stradiff.errors import InputError, OptionError
from stradiff.report import plots
from stradiff.report.plots.style import PALETTE, band_envelope, envelope

T, N, M, L, E = 120, 3, 4, 8, 60
RNG = np.random.default_rng(0)
TIMES = np.arange(T) / 10.0
S = RNG.standard_normal((T, N))
SD = 0.1 + RNG.random((T, N))
Y = RNG.standard_normal((T, M))
PATH = RNG.standard_normal((L + 1, T, N))
MIXING = RNG.standard_normal((M, N))
LEVELS = np.linspace(-3, 3, 13)
RESPONSES = RNG.standard_normal((N, 13, M))
CORRELATION = np.linspace([0.2, 0.3, 0.4], [0.9, 0.95, 1.0], 7)
CHANNELS = ("a", "b", "c", "d")
HISTORY = {
    "total": np.linspace(1e5, -4e3, E),
    "reconstruction": np.geomspace(1e5, 10, E),
    "prior": np.linspace(2e3, -5e3, E),
    "diffusion": 1 + RNG.random(E),
    "kl": np.linspace(9, 5, E),
    "reconstruction_mse": np.geomspace(1, 1e-3, E),
    "length_scales": np.linspace([0.05] * N, [0.2, 0.05, 0.01], E),
}

# Keyword of the axes, their number, and the call.
PLOTS = {
    "recording": ("ax", 1, lambda **on: plots.plot_recording(Y, TIMES, CHANNELS, **on)),
    "spectra": ("ax", 1, lambda **on: plots.plot_spectra(S, 10.0, **on)),
    "sources": ("axes", N, lambda **on: plots.plot_sources(S, SD, TIMES, **on)),
    "sources with truth": ("axes", N, lambda **on: plots.plot_sources(S, SD, TIMES, S[:, ::-1], **on)),
    "losses": ("axes", 5, lambda **on: plots.plot_losses(HISTORY, **on)),
    "error": ("ax", 1, lambda **on: plots.plot_reconstruction_error(HISTORY, **on)),
    "correlations": ("ax", 1, lambda **on: plots.plot_correlations(CORRELATION, **on)),
    "length-scales": ("axes", 2, lambda **on: plots.plot_length_scales(HISTORY, 11.9, "s", **on)),
    "path": ("axes", 5 * N, lambda **on: plots.plot_diffusion_path(PATH, TIMES, **on)),
    "mixing": ("ax", 1, lambda **on: plots.plot_mixing(MIXING, CHANNELS, **on)),
    "curves": ("ax", 1, lambda **on: plots.plot_curves(LEVELS, RESPONSES[0], CHANNELS, **on)),
    "responses": ("axes", N, lambda **on: plots.plot_responses(LEVELS, RESPONSES, CHANNELS, **on)),
}
every_plot = pytest.mark.parametrize("name", PLOTS)
several_panels = pytest.mark.parametrize("name", [name for name, (key, *_) in PLOTS.items() if key == "axes"])


@every_plot
def test_the_given_axes_are_used_and_returned(name):
    key, count, draw = PLOTS[name]
    given = Figure().subplots(count, 1, squeeze=False).ravel()
    returned = np.ravel(draw(**{key: given[0] if key == "ax" else given}))
    assert list(returned) == list(given)
    assert all(ax.has_data() for ax in given)


@every_plot
def test_a_new_figure_leaves_the_state_of_matplotlib_unchanged(name, tmp_path):
    before, open_figures = dict(matplotlib.rcParams), pyplot.get_fignums()
    figure = np.ravel(PLOTS[name][2]())[0].figure
    figure.savefig(tmp_path / "picture.png", dpi=40)
    assert (tmp_path / "picture.png").stat().st_size > 0
    assert all(ax.has_data() for ax in figure.axes)  # no empty panel
    assert (dict(matplotlib.rcParams), pyplot.get_fignums()) == (before, open_figures)


@several_panels
def test_wrong_number_of_axes_is_refused(name):
    _, count, draw = PLOTS[name]
    with pytest.raises(OptionError, match=f"{count} panels, but {count + 1} axes"):
        draw(axes=Figure().subplots(count + 1, 1))


def _band(ax) -> np.ndarray:
    """Corners of the band drawn on ``ax``."""
    return ax.collections[0].get_paths()[0].vertices


@pytest.mark.parametrize(("level", "z"), [(0.95, 1.959964), (0.5, 0.674490)])
def test_band_is_the_central_one_of_its_level(level, z):
    panels = plots.plot_sources(S, SD, TIMES, level=level)
    for k, ax in enumerate(panels):
        corners = _band(ax)
        np.testing.assert_allclose(ax.lines[0].get_ydata(), S[:, k])
        for t in (0, 50, T - 1):
            heights = corners[np.isclose(corners[:, 0], TIMES[t]), 1]
            assert heights.min() == pytest.approx(S[t, k] - z * SD[t, k], abs=1e-5)
            assert heights.max() == pytest.approx(S[t, k] + z * SD[t, k], abs=1e-5)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_that_is_no_probability_is_refused(level):
    with pytest.raises(OptionError, match="between 0 and 1"):
        plots.plot_sources(S, SD, TIMES, level=level)


def test_without_sd_there_is_no_band():
    assert not any(ax.collections for ax in plots.plot_sources(S, None, TIMES))


def test_truth_is_dashed_and_estimates_follow_its_order_sign_and_scale():
    truth = np.column_stack([-2 * S[:, 2] + 1, S[:, 0] / 2, S[:, 1]])
    panels = plots.plot_sources(S, SD, TIMES, truth)
    for k, (ax, factor, source) in enumerate(zip(panels, (2, 0.5, 1), (2, 0, 1), strict=True)):
        estimate, dashed = ax.lines
        assert dashed.get_linestyle() == "--"
        np.testing.assert_allclose(estimate.get_ydata(), truth[:, k], atol=1e-12)
        np.testing.assert_allclose(dashed.get_ydata(), truth[:, k])
        assert np.ptp(_band(ax)[:, 1]) > 0
        top = _band(ax)[np.isclose(_band(ax)[:, 0], TIMES[7]), 1].max()
        assert top == pytest.approx(truth[7, k] + 1.959964 * factor * SD[7, source], abs=1e-5)
        assert "matched correlation 1.0000" in ax.get_title(loc="left")


def test_titles_carry_the_matched_correlations():
    truth = S + RNG.standard_normal(S.shape)
    titles = [ax.get_title(loc="left") for ax in plots.plot_sources(S, SD, TIMES, truth)]
    expected = matched_correlation(S, truth)
    assert [float(title.split()[-1]) for title in titles] == pytest.approx(expected, abs=5e-5)


def test_an_unmatched_true_source_has_its_panel():
    panels = plots.plot_sources(S[:, :2], SD[:, :2], TIMES, S)
    assert len(panels) == 3
    assert "0.0000" in panels[2].get_title(loc="left")


def test_names_must_be_as_many_as_curves():
    with pytest.raises(InputError, match="2 names were given for 3"):
        plots.plot_sources(S, SD, TIMES, names=["a", "b"])


def test_spectrum_peaks_at_the_frequency_of_a_sine():
    times = np.arange(2048) / 64.0
    ax = plots.plot_spectra(np.sin(2 * np.pi * 5.0 * times)[:, None], 64.0, time_unit="s")
    frequency, power = ax.lines[0].get_data()
    assert frequency[np.argmax(power)] == pytest.approx(5.0, abs=64.0 / 256)
    assert "Hz" in ax.get_xlabel()


def test_one_scale_keeps_amplitudes_apart():
    values = Y * np.array([1.0, 10.0, 1.0, 1.0])
    heights = [np.ptp(line.get_ydata()) for line in plots.plot_recording(values, TIMES, CHANNELS).lines]
    assert max(heights) == pytest.approx(min(heights))
    shared = plots.plot_recording(values, TIMES, CHANNELS, same_scale=True)
    heights = np.array([np.ptp(line.get_ydata()) for line in shared.lines])
    np.testing.assert_allclose(heights / heights[1], np.ptp(values, axis=0) / np.ptp(values[:, 1]))


def test_losses_leave_out_a_term_that_is_zero_throughout():
    assert len(plots.plot_losses(HISTORY | {"volume": np.zeros(E)})) == 5
    assert len(plots.plot_losses(HISTORY | {"volume": -np.ones(E)})) == 6


def test_losses_use_a_logarithm_only_where_it_exists():
    scales = [ax.get_yscale() for ax in plots.plot_losses(HISTORY)]
    assert scales == ["linear", "log", "linear", "linear", "linear"]


def test_a_first_value_outside_the_axis_is_written():
    history = HISTORY | {"total": np.r_[3e5, 2e5, np.linspace(-10, -20, E - 2)]}
    ax = plots.plot_losses(history)[0]
    assert ax.get_ylim()[1] < 0
    assert [text.get_text() for text in ax.texts] == ["starts at 300,000"]


@pytest.mark.parametrize("n_epochs", [1, 2])
def test_a_training_of_one_epoch_can_be_drawn(n_epochs):
    history = {name: values[:n_epochs] for name, values in HISTORY.items()}
    figure = plots.plot_training(history, CORRELATION[:n_epochs], np.arange(1, n_epochs + 1), 11.9, "s")
    figure.canvas.draw()
    assert len(figure.axes) == 9


def test_correlations_are_spaced_by_their_nines():
    ax = plots.plot_correlations(np.array([[0.9], [0.99], [0.999]]))
    heights = ax.transData.transform([(1, 0.9), (1, 0.99), (1, 0.999)])[:, 1]
    assert heights[2] - heights[1] == pytest.approx(heights[1] - heights[0])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.9, 0.99, 0.999])


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_correlations_of_zero_and_one_can_be_drawn(value):
    figure = plots.plot_correlations(np.full((3, 2), value)).figure
    figure.canvas.draw()
    assert figure.axes[0].get_ylim() == pytest.approx((0.0, 0.5) if value == 0.0 else (0.9999, 0.99999))


def test_length_scales_in_time_units_are_multiples_of_the_normalised_ones():
    left, right = plots.plot_length_scales(HISTORY, 11.9, "s")
    for normalised, rescaled in zip(left.lines, right.lines, strict=True):
        np.testing.assert_allclose(rescaled.get_ydata(), 11.9 * normalised.get_ydata())
    assert "seconds" in right.get_title(loc="left")


@pytest.mark.parametrize(
    ("n_steps", "steps"),
    [(20, [20, 15, 10, 5, 0]), (4, [4, 3, 2, 1, 0]), (1, [1, 0]), (50, [50, 38, 25, 12, 0])],
)
def test_representative_steps_go_from_start_to_source(n_steps, steps):
    assert plots.representative_steps(n_steps).tolist() == steps


def test_path_goes_from_its_start_on_the_left_to_the_source_on_the_right():
    panels = plots.plot_diffusion_path(PATH, TIMES)
    assert panels.shape == (N, 5)
    for k in range(N):
        np.testing.assert_allclose(panels[k, 0].lines[0].get_ydata(), PATH[0, :, k])
        np.testing.assert_allclose(panels[k, -1].lines[0].get_ydata(), PATH[-1, :, k])


@pytest.mark.parametrize(("spread", "columns_with_band"), [(SD, 1), (np.ones_like(PATH), 5), (None, 0)])
def test_paths_have_bands_where_a_deviation_is_given(spread, columns_with_band):
    panels = plots.plot_diffusion_path(PATH, TIMES, spread)
    assert sum(bool(ax.collections) for ax in panels[0]) == columns_with_band
    assert bool(panels[0, -1].collections) == (columns_with_band > 0)


def test_a_deviation_of_another_shape_is_refused():
    with pytest.raises(InputError, match="give that of the path"):
        plots.plot_diffusion_path(PATH, TIMES, SD[:-1])


def test_mixing_shows_its_weights():
    ax = plots.plot_mixing(MIXING, CHANNELS, units="mg")
    np.testing.assert_allclose(ax.images[0].get_array(), MIXING)
    low, high = ax.images[0].get_clim()
    assert low == -high  # white is zero
    assert len(ax.texts) == MIXING.size
    assert [label.get_text() for label in ax.get_yticklabels()] == list(CHANNELS)


def test_curves_are_changes_from_the_middle_level():
    lines = plots.plot_curves(LEVELS, RESPONSES[1] + 7.0, CHANNELS, units="mg").lines
    middle = np.abs(LEVELS).argmin()
    for j, line in enumerate(lines):
        np.testing.assert_allclose(line.get_ydata(), RESPONSES[1, :, j] - RESPONSES[1, middle, j], atol=1e-12)
    assert len(lines) == len(CHANNELS)


def test_responses_are_changes_from_zero_and_images_for_many_channels():
    lines = plots.plot_responses(LEVELS, RESPONSES, CHANNELS)[1].lines
    np.testing.assert_allclose(lines[2].get_ydata(), RESPONSES[1, :, 2] - RESPONSES[1, 6, 2])
    many = RNG.standard_normal((2, 13, 30))
    panels = plots.plot_responses(LEVELS, many, [f"channel {j}" for j in range(30)])
    assert not panels[0].lines
    np.testing.assert_allclose(panels[0].images[0].get_array(), (many[0] - many[0, 6]).T)


@pytest.mark.parametrize("n_samples", [100, 8000, 8001, 100_003])
def test_envelope_keeps_extremes_order_and_ends_small(n_samples):
    curve, times = RNG.standard_normal(n_samples), np.arange(n_samples)
    kept_times, kept = envelope(times, curve)
    assert (kept.min(), kept.max()) == (curve.min(), curve.max())
    assert np.all(np.diff(kept_times) >= 0)
    np.testing.assert_array_equal(curve[kept_times], kept)
    assert len(kept) <= min(n_samples, 8000)


def test_band_envelope_covers_the_band():
    n_samples = 50_000
    middle, times = RNG.standard_normal(n_samples), np.arange(n_samples)
    at, lower, upper = band_envelope(times, middle - 1, middle + 1)
    assert len(at) == len(lower) == len(upper) == 2000
    assert (lower.min(), upper.max()) == (middle.min() - 1, middle.max() + 1)
    assert np.all(lower <= upper)


def test_long_records_of_many_channels_stay_drawable(tmp_path):
    many = RNG.standard_normal((20_000, 64))
    ax = plots.plot_recording(many, np.arange(20_000), [f"channel {j}" for j in range(64)])
    assert len(ax.lines) == 64
    assert max(len(line.get_xdata()) for line in ax.lines) <= 4000
    ax.figure.savefig(tmp_path / "many.png", dpi=40)


def _luminance(rgb: np.ndarray) -> float:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_colours_differ_and_stand_out_from_white():
    colours = [np.array(to_rgba(colour)[:3]) for colour in PALETTE]
    assert len({tuple(colour) for colour in colours}) == len(PALETTE)
    assert all(1.05 / (_luminance(colour) + 0.05) > 2.1 for colour in colours)  # WCAG contrast to white
