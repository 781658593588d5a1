"""The time axis of a fit: regular or not, and what its length is measured in."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from stradiff.data.checks import check_times
from stradiff.data.times import regular_rate


def normalised_times(times: ArrayLike | None, n_samples: int) -> tuple[np.ndarray | None, np.ndarray | None, float]:
    """Times normalised to [0, 1] (None on a regular grid), the times as given (or None), and their span.

    Without times the span is counted in samples: ``n_samples - 1``.
    """
    if times is None:
        return None, None, float(n_samples - 1)
    given = check_times(times, n_samples)
    span = float(given[-1] - given[0])
    regular = regular_rate(given) is not None
    return None if regular else (given - given[0]) / span, given, span
