"""A simulated recording and an object with the attributes of its fit: plots need no training."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from short import configuration

from stradiff.config import table_of
from stradiff.data.recording import Recording
from stradiff.data.sources import artificial_sources

EPOCHS = 120
STEPS = 20
RECORDED = (1, 60, 120)


@pytest.fixture(scope="session")
def truth() -> np.ndarray:
    return artificial_sources(400)


@pytest.fixture(scope="session")
def matrix() -> np.ndarray:
    return np.array([[1.0, 0.4, -0.3], [-0.5, 1.2, 0.2], [0.3, -0.6, 0.9], [0.8, 0.1, 0.7]])


@pytest.fixture(scope="session")
def recording(truth: np.ndarray, matrix: np.ndarray) -> Recording:
    values = truth @ matrix.T + np.array([1.0, 0.0, -2.0, 0.5])
    names = ("ankle", "thigh", "trunk", "wrist")
    return Recording(values=values, times=None, sampling_rate=64.0, channel_names=names, units="mg", name="walk")


@pytest.fixture(scope="session")
def linear_fit(recording: Recording, truth: np.ndarray, matrix: np.ndarray) -> SimpleNamespace:
    """A fit whose sources are the truth in another order, with one sign flipped."""
    order, sign = [2, 0, 1], np.array([1.0, -1.0, 1.0])
    mixing = matrix[:, order] * sign
    mean = recording.values.mean(axis=0)
    fit = _fit(recording, truth[:, order] * sign, lambda S: np.asarray(S) @ mixing.T + mean)
    fit.mixing_, fit.map_ = mixing, "linear"
    return fit


@pytest.fixture(scope="session")
def nonlinear_fit(recording: Recording, truth: np.ndarray, matrix: np.ndarray) -> SimpleNamespace:
    """The same with a nonlinear map, without ``mixing_``."""
    return _fit(recording, truth, lambda S: np.tanh(np.asarray(S) @ matrix.T) + recording.values.mean(axis=0))


def _fit(recording: Recording, sources: np.ndarray, mixing_map) -> SimpleNamespace:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((STEPS + 1, *sources.shape))
    epoch = np.arange(1, EPOCHS + 1)
    fall = np.exp(-epoch / 15.0)

    def reverse_path(at: int) -> np.ndarray:
        share = np.linspace(1.0, 0.0, STEPS + 1)[:, None, None] * (1 - 0.7 * at / EPOCHS)
        return (1 - share) * sources + share * noise

    return SimpleNamespace(
        map_="mlp",
        prior="rbf",
        priors_=("rbf", "rbf", "rbf"),
        n_components=sources.shape[1],
        random_state=7,
        sources_=sources,
        sources_std_=np.full(sources.shape, 0.1),
        length_scales_=np.array([0.1, 0.03, 0.01]),
        reconstruction_=mixing_map(sources),
        times_=None,
        history_={
            "total": 3e5 * fall**3 - 7000 + 30 * rng.standard_normal(EPOCHS),
            "reconstruction": 1e5 * fall + 40,
            "prior": 9000 * fall - 7200 + 30 * rng.standard_normal(EPOCHS),
            "diffusion": 0.4 + fall + 0.2 * rng.random(EPOCHS),
            "kl": 5000 + 4000 * fall,
            "reconstruction_mse": 0.9 * fall + 1e-3,
            "volume": -10 * fall,
            "length_scales": 0.05 + (np.array([0.1, 0.03, 0.01]) - 0.05) * (1 - fall[:, None]),
        },
        n_epochs_=EPOCHS,
        converged_=False,
        interrupted_=False,
        warnings_=["The objective was still falling after 120 epochs; raise max_epochs."],
        diagnostics_=[],
        recorded_epochs_=RECORDED,
        reverse_path=reverse_path,
        inverse_transform=mixing_map,
        fit_info_={
            "settings": table_of(
                configuration("default", mixing="mlp", prior="rbf", record_epochs=RECORDED, max_epochs=EPOCHS)
            ),
            "seed": 12345,
            "versions": {"stradiff": "0.1.0", "jax": "0.10.2"},
            "seconds": 12.5,
            "preset": "default",
        },
    )
