"""Recorded example data."""

from __future__ import annotations

import dataclasses
from importlib.resources import as_file, files

import numpy as np

from stradiff.data.readers import read_recording
from stradiff.data.recording import Recording
from stradiff.errors import InputError


def load_gait(n_samples: int | None = None, start: int = 0) -> Recording:
    """Acceleration of ankle, thigh and trunk of a walking person: nine channels, 64 Hz, in mg.

    110 s of the Daphnet Freezing of Gait data (Baechlin et al. 2010, doi:10.1109/TITB.2009.2036165;
    UCI Machine Learning Repository, doi:10.24432/C56K78, CC BY 4.0). The person stands until sample 1,310
    and walks from 1,600 to 6,780, turning about every 750 samples; more in ``stradiff/data/README.md``.

    Parameters
    ----------
    n_samples : int, optional
        By default all from ``start`` to the end (7,040 in all).
    start : int
        First sample.

    Returns
    -------
    Recording
        ``values (n_samples, 9)``, float64.

    Raises
    ------
    InputError
        The segment exceeds the recording or has fewer than two samples.

    Examples
    --------
    >>> walking = load_gait(n_samples=1000, start=1920)
    >>> walking.values.shape, walking.sampling_rate, walking.units
    ((1000, 9), 64.0, 'mg')
    """
    with as_file(files("stradiff") / "data" / "daphnet_gait.npz") as path:
        recording = read_recording(path)
    stop = recording.n_samples if n_samples is None else start + n_samples
    if not 0 <= start <= stop - 2 <= recording.n_samples - 2:
        raise InputError(
            f"start={start} and n_samples={n_samples} do not fit; choose at least 2 of the {recording.n_samples} "
            "samples."
        )
    values = np.ascontiguousarray(recording.values[start:stop])
    return dataclasses.replace(recording, values=values, name="Daphnet gait")
