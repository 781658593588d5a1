"""Fits and checkpoints of released versions are read, whatever machine wrote them."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from saved_files import FOLDER, Y, model

from stradiff import StrADiff, serialization
from stradiff.errors import StorageError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
VERSIONS = sorted(path.name for path in FOLDER.iterdir())


@pytest.mark.parametrize("version", VERSIONS)
def test_files_of_released_versions_load(version, tmp_path):
    fit = StrADiff.load(FOLDER / version / "fit.stradiff")
    sources = np.load(FOLDER / version / "sources.npy")
    np.testing.assert_array_equal(fit.sources_, sources)
    assert fit.fit_info_["versions"]["stradiff"] == version
    assert np.isfinite(fit.transform(Y)).all() and np.isfinite(fit.sample_sources(2)).all()
    shutil.copy(FOLDER / version / "training.checkpoint", tmp_path)
    seen = []
    again = model(tmp_path / "training.checkpoint")
    again = again.set_params(training__callbacks=(seen.append,)).fit(Y)
    assert not seen, "training goes on where it ended"
    np.testing.assert_allclose(again.sources_, sources, atol=1e-4)  # the posterior is computed on this machine


@pytest.mark.parametrize(("kind", "read"), [("fit", StrADiff.load), ("checkpoint", lambda path: model(path).fit(Y))])
def test_another_format_is_refused_by_name(tmp_path, kind, read):
    path = tmp_path / "file"
    serialization.write(path, f"stradiff {kind} 1", {}, {"x": np.zeros(1)})
    with pytest.raises(StorageError, match=f"this version reads \\(stradiff {kind} 2\\)"):
        read(path)
