"""Whole fits of the default preset in a process of their own: seconds by stage, memory, and how good the answer is.

Sources are autoregressive resonances of different frequencies, mixed linearly, with a little white noise. The truth
scores the answer, and the linear methods beside it, after the fit.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

from scaling.memory import Peak, total
from scaling.one_process import Row
from stradiff import StrADiff, matched_correlation, simulate
from stradiff.assess import best_linear_unmixing
from stradiff.config import Configuration, Training, resolve
from stradiff.data.sources import ar_sources
from stradiff.linear import SOBI
from stradiff.posterior.memory import memory_estimate

LIMIT = 7200.0
SEED, NOISE = 0, 0.05
LOWEST, HIGHEST = 0.004, 0.18  # cycles per sample: 1 and 45 Hz at 250 Hz
SIZES = (1_000, 10_000, 100_000)


def cases(quick: bool) -> list[Row]:
    """Three channels, at several lengths; a network where a fit takes minutes."""
    lengths = SIZES[:1] if quick else SIZES
    linear = [{"mixing": "linear", "T": T, "n": 3, "m": 3} for T in lengths]
    more = [] if quick else [{"mixing": "linear", "T": 10_000, "n": 8, "m": 16}]
    return linear + more + [{"mixing": "mlp", "T": T, "n": 3, "m": 3} for T in lengths[:2]]


def measured(case: Row) -> Row:
    """The fit, then the scores."""
    sources = ar_sources(case["T"], np.linspace(LOWEST, HIGHEST, case["n"]), seed=SEED)
    kind = "linear" if case["mixing"] == "linear" else "leaky_relu"
    simulation = simulate(kind, sources=sources, n_channels=case["m"], noise=NOISE, seed=SEED)
    values, truth = simulation.recording.values.astype(np.float32), simulation.sources.astype(np.float32)
    del sources, simulation
    looks: list[tuple[int, float]] = []
    peak, began = Peak(), time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the answer is scored below
        look = lambda report: looks.append((report.epoch, time.perf_counter() - began))  # noqa: E731
        training = Training(callbacks=(look,))
        model = StrADiff(case["n"], mixing=case["mixing"], training=training, random_state=SEED, verbose=False)
        model.fit(values)
    seconds, memory = time.perf_counter() - began, peak.bytes()
    config = resolve("default", Configuration(n_sources=case["n"], mixing=case["mixing"]))
    return {
        **stages(looks, seconds),
        "epochs": int(model.n_epochs_),
        "converged": bool(model.converged_),
        "memory": memory,
        "estimated": memory_estimate(case["T"], case["m"], config),
        "machine_memory": total(),
        "mcc": scores(values, truth, model.sources_),
    }


def stages(looks: list[tuple[int, float]], seconds: float) -> dict[str, float]:
    """Seconds before training (checks, initialisation, compiling), of training, and after it (the posterior).

    The first look comes after a first chunk, which takes as long as those that follow.
    """
    epochs, times = np.array(looks).T
    one = float(np.median(np.diff(times) / np.diff(epochs))) if len(looks) > 1 else 0.0
    begins = float(times[0] - one * epochs[0])
    return {
        "start": begins,
        "training": float(times[-1]) - begins,
        "after": seconds - float(times[-1]),
        "seconds": seconds,
    }


def scores(values: np.ndarray, truth: np.ndarray, found: np.ndarray) -> dict[str, list[float]]:
    """Mean and worst matched correlation of the fit, of SOBI, and of the best linear map there is."""
    answers: dict[str, Any] = {"StrADiff": lambda: found}
    answers["SOBI"] = lambda: SOBI(truth.shape[1]).fit_transform(values)
    answers["best linear"] = lambda: best_linear_unmixing(values, truth)
    correlations = {}
    for name, answer in answers.items():
        each = matched_correlation(answer(), truth)
        correlations[name] = [float(each.mean()), float(each.min())]
    return correlations
