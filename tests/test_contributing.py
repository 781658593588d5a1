"""The page for contributors shows how to add a map, a file format and a diagnostic; what it shows runs."""

from __future__ import annotations

import numpy as np
import pytest
from quick_compile import quick_compile
from scipy.io import savemat
from short import estimator
from snippets import run, snippets

from stradiff import StrADiff, read_recording
from stradiff.errors import ReadError
from stradiff.model.mixing import MAPS

MAP, FORMAT, DIAGNOSTIC = snippets("docs/contributing.md")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_map_is_fitted_by_name_and_as_an_object_and_comes_back(tmp_path):
    values = np.random.default_rng(0).standard_normal((60, 3)).cumsum(axis=0)
    with run(MAP, "own_map") as page, quick_compile():
        assert MAPS["quadratic"] == page.Quadratic()
        model = estimator(2, mixing=page.Quadratic(strength=0.3), network="none", max_epochs=2, n_draws=2).fit(values)
        model.save(tmp_path / "fit")
        loaded = StrADiff.load(tmp_path / "fit")
    assert model.map_ == loaded.map_ == "quadratic" and loaded.mixing == page.Quadratic(strength=0.3)
    np.testing.assert_array_equal(loaded.transform(values[:3]), model.transform(values[:3]))


def test_a_file_format_is_read_and_a_damaged_file_is_named(tmp_path):
    values = np.random.default_rng(0).standard_normal((50, 2))
    good, damaged = tmp_path / "good.mat", tmp_path / "damaged.mat"
    savemat(good, {"Y": values, "fs": 250.0})
    damaged.write_bytes(b"not what MATLAB writes " * 20)
    with run(FORMAT, "own_format"):
        recording = read_recording(good)
        with pytest.raises(ReadError, match=r"damaged\.mat: the file is damaged"):
            read_recording(damaged)
    np.testing.assert_array_equal(recording.values, values)
    assert recording.sampling_rate == 250.0
    with pytest.raises(ReadError, match=r"suffix '\.mat' is not known"):
        read_recording(good)


def test_a_diagnostic_reports_a_clipped_channel_and_no_other():
    values = np.random.default_rng(0).standard_normal((1000, 3))
    values[::7, 1] = np.nan
    with run(DIAGNOSTIC, "own_diagnostic") as page:
        assert page.clipped(values) == []
        values[:, 1] = values[:, 1].clip(-1, 1)
        (finding,) = page.clipped(values)
    assert (finding.kind, finding.severity) == ("clipped", "warning")
    assert "Channel 2 stays at" in finding.sentence and "32 %" in finding.sentence
