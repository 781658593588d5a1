"""Missing values: which are accepted, their interpolation, masks, and simulated gaps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stradiff.data import (
    Recording,
    check_observations,
    fit_normaliser,
    interpolated,
    observed_mask,
    read_recording,
    with_gaps,
)
from stradiff.errors import InputError, OptionError

RNG = np.random.default_rng(0)
GOOD = RNG.standard_normal((40, 3))


def without(*cells):
    values = GOOD.copy()
    for row, column in cells:
        values[row, column] = np.nan
    return values


GAPPY = without((slice(3, 7), 0), (12, 1), (slice(20, 22), slice(None)))


# --- accepted missing values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        GAPPY,
        GAPPY.tolist(),
        np.ma.masked_invalid(GAPPY),
        np.ma.array(np.nan_to_num(GAPPY, nan=-999.0), mask=np.isnan(GAPPY)),
        pd.DataFrame(GAPPY).convert_dtypes(),
        np.where(np.isnan(GAPPY), None, GAPPY),
    ],
    ids=["array", "list", "masked NaN", "masked numbers", "nullable frame", "None"],
)
def test_all_notations_of_missing_values(given):
    np.testing.assert_array_equal(check_observations(given, missing="mask"), GAPPY)
    with pytest.raises(InputError):
        check_observations(given, missing="refuse")


def test_masked_whole_numbers_and_single_precision():
    whole = np.ma.array([[1, 2], [3, 4], [5, 7], [4, 4]], mask=[[0, 0], [1, 0], [0, 0], [0, 0]])
    np.testing.assert_array_equal(check_observations(whole, missing="mask")[1], [np.nan, 4.0])
    assert check_observations(GAPPY.astype(np.float32), missing="mask").dtype == np.float32


def test_the_mask_option_is_named_where_it_exists():
    with pytest.raises(InputError, match=r"'channel 1' holds NaN, first at row 3 .*use missing='mask'.*\(11 in all\)"):
        check_observations(GAPPY, missing="refuse")
    with pytest.raises(InputError, match=r"masked samples; use missing='mask'"):
        check_observations(np.ma.masked_invalid(GAPPY), missing="refuse")
    with pytest.raises(InputError) as caught:  # linear methods have no such option
        check_observations(GAPPY)
    assert "mask" not in str(caught.value)


TOO_FEW_VALUES = {
    "no value": (without((slice(None), 1)), "'channel 2' has no value at all"),
    "one value": (without((slice(1, None), 1)), "'channel 2' has only 1 of 40"),
    "under a tenth": (without((slice(3, None), 2)), "'channel 3' has only 3 of 40 values.*tenth"),
    "never together": (without((slice(20, None), 0), (slice(23), 1)), "'channel 1' and 'channel 2'.*only 0 rows.*4"),
    "infinite": (np.where(np.isnan(GAPPY), np.inf, GAPPY), "inf"),
}


@pytest.mark.parametrize(("values", "reason"), TOO_FEW_VALUES.values(), ids=TOO_FEW_VALUES)
def test_too_few_values_are_refused(values, reason):
    with pytest.raises(InputError, match=reason) as caught:
        check_observations(values, missing="mask")
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_a_channel_with_constant_observed_values_is_refused():
    values = GAPPY.copy()
    values[~np.isnan(values[:, 0]), 0] = 5.0
    with pytest.raises(InputError, match="'channel 1' is constant, 5 everywhere"):
        check_observations(values, missing="mask")


def test_other_modes_do_not_exist():
    with pytest.raises(OptionError, match=r"missing='drop'.*refuse, mask"):
        Recording(GOOD, missing="drop")


# --- recordings and files -------------------------------------------------------------------------------------


def test_the_mask_of_a_recording():
    recording = Recording(GAPPY, missing="mask")
    np.testing.assert_array_equal(recording.mask, ~np.isnan(GAPPY))
    assert np.isfinite(recording.filled).all()
    whole = Recording(GOOD, missing="mask")
    assert whole.mask is None and whole.filled is whole.values
    with pytest.raises(InputError, match="missing='mask'"):
        Recording(GAPPY)


@pytest.mark.parametrize("word", ["", "NA", "nan", "null", "-"])
def test_missing_cells_of_a_table(tmp_path, word):
    path = tmp_path / "gaps.csv"
    rows = [[f"{value:.6f}" for value in row] for row in GOOD]
    rows[4][1] = rows[30][0] = word
    path.write_text("a,b,c\n" + "\n".join(",".join(row) for row in rows) + "\n")
    recording = read_recording(path, missing="mask")
    assert np.argwhere(~recording.mask).tolist() == [[4, 1], [30, 0]]
    np.testing.assert_allclose(recording.values[recording.mask], GOOD[recording.mask], atol=1e-6)
    with pytest.raises(InputError, match=r"line 6, column 'b': a sample is missing \(2 such cells in all\); .*'mask'"):
        read_recording(path)
    path.write_text(path.read_text().replace(rows[7][2], "broken"))
    with pytest.raises(InputError, match="line 9, column 'c': 'broken' is not a number; fix"):
        read_recording(path, missing="mask")


def test_missing_values_of_an_array(tmp_path):
    np.save(tmp_path / "gaps.npy", GAPPY)
    np.testing.assert_array_equal(read_recording(tmp_path / "gaps.npy", missing="mask").values, GAPPY)
    with pytest.raises(InputError, match="missing='mask'"):
        read_recording(tmp_path / "gaps.npy")


# --- interpolation of gaps ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [None, np.cumsum(0.1 + RNG.random(40))])
def test_straight_lines_are_interpolated_exactly(times):
    grid = np.arange(40) if times is None else times
    lines = np.column_stack([2.0 * grid - 1.0, -grid, 0.5 * grid])
    lines_with_gaps = with_gaps(lines, 0.3, 4, seed=1)
    filled = interpolated(lines_with_gaps, observed_mask(lines_with_gaps), times)
    np.testing.assert_allclose(filled, lines, rtol=1e-12)


def test_constant_extrapolation_at_the_ends():
    values = without((slice(5), 0), (slice(30, None), 1))
    filled = interpolated(values, observed_mask(values))
    assert (filled[:5, 0] == GOOD[5, 0]).all() and (filled[30:, 1] == GOOD[29, 1]).all()
    np.testing.assert_array_equal(filled[~np.isnan(values)], values[~np.isnan(values)])


@pytest.mark.parametrize("mode", ["centre", "standardise"])
def test_a_normaliser_is_fitted_to_observed_values(mode):
    normaliser = fit_normaliser(GAPPY, mode)
    np.testing.assert_allclose(normaliser.mean, np.nanmean(GAPPY, axis=0))
    if mode == "standardise":
        np.testing.assert_allclose(np.diag(normaliser.inverse_matrix), np.nanstd(GAPPY, axis=0))


def test_whitening_uses_the_moments_of_observed_values():
    normaliser = fit_normaliser(GAPPY, "whiten")
    np.testing.assert_allclose(normaliser.mean, np.nanmean(GAPPY, axis=0))
    np.testing.assert_allclose(normaliser.matrix @ normaliser.inverse_matrix, np.eye(3), atol=1e-12)
    whitened = normaliser.forward(interpolated(GAPPY, observed_mask(GAPPY)))
    np.testing.assert_allclose(np.cov(whitened, rowvar=False), np.eye(3), atol=0.15)


# --- masks of normalised channels ---------------------------------------------------------


@pytest.mark.parametrize("mode", ["centre", "standardise"])
def test_without_whitening_the_mask_is_that_of_the_channels(mode):
    mask = observed_mask(GAPPY)
    np.testing.assert_array_equal(fit_normaliser(GAPPY, mode).forward_mask(mask), mask.astype(float))


def test_complete_rows_need_no_projection():
    mask = np.repeat(RNG.random((40, 1)) > 0.3, 3, axis=1)
    np.testing.assert_array_equal(fit_normaliser(GOOD, "whiten").forward_mask(mask), mask.astype(float))


def test_the_masked_residual_of_whitened_channels_gives_the_marginal_likelihood():
    """|P e|^2 = r_o' C_oo^-1 r_o, r = e L the error in the recording's units and C = L'L the noise that e had there."""
    normaliser, mask = fit_normaliser(GOOD * [1.0, 100.0, 0.01], "whiten"), observed_mask(GAPPY)
    projections = normaliser.forward_mask(mask)
    assert projections.shape == (40, 3, 3)
    error = np.random.default_rng(1).standard_normal((40, 3))
    L = normaliser.inverse_matrix
    for P, e, observed in zip(projections, error, mask, strict=True):
        r, C = (e @ L)[observed], (L.T @ L)[np.ix_(observed, observed)]
        np.testing.assert_allclose(
            np.sum((P @ e) ** 2), r @ np.linalg.solve(C, r) if observed.any() else 0.0, rtol=1e-9
        )
        np.testing.assert_allclose(np.trace(P), observed.sum(), atol=1e-9)


# --- simulated gaps -------------------------------------------------------------------------------------


@given(fraction=st.floats(0.01, 0.4), gap_length=st.integers(1, 20), seed=st.integers(0, 99), whole_rows=st.booleans())
def test_number_and_length_of_gaps(fraction, gap_length, seed, whole_rows):
    values = RNG.standard_normal((300, 2))
    missing = np.isnan(with_gaps(values, fraction, gap_length, whole_rows=whole_rows, seed=seed))
    assert not missing[[0, -1]].any()
    for column in missing.T:
        edges = np.flatnonzero(np.diff(column.astype(int)))
        assert (edges[1::2] - edges[::2] == gap_length).all()
        assert column.sum() == gap_length * max(1, round(fraction * 300 / gap_length))
    assert whole_rows == (missing[:, 0] == missing[:, 1]).all() or missing.sum() <= 2 * gap_length


def test_other_values_are_unchanged():
    gappy = with_gaps(GOOD, 0.2, seed=3)
    np.testing.assert_array_equal(gappy[~np.isnan(gappy)], GOOD[~np.isnan(gappy)])
    np.testing.assert_array_equal(with_gaps(GOOD, 0.0), GOOD)
    np.testing.assert_array_equal(with_gaps(GOOD, 0.2, seed=3), gappy)


@pytest.mark.parametrize(("fraction", "gap_length"), [(0.7, 1), (-0.1, 1), (0.2, 0), (0.5, 1), (0.1, 60)])
def test_gaps_that_do_not_fit(fraction, gap_length):
    with pytest.raises(OptionError, match="must leave"):
        with_gaps(GOOD, fraction, gap_length)
