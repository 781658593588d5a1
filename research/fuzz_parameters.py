"""Tiny fits under random combinations of valid parameters: each gives finite numbers or one of the project's errors.

Run it as ``python research/fuzz_parameters.py --seconds 600 --seed 0``. A combination that gives anything else is
printed as the call that shows it; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import time
import traceback
import warnings
from collections import Counter
from typing import Any

import jax
import numpy as np

from stradiff import (
    MLP,
    Autoregression,
    Convolutional,
    Dense,
    Diffusion,
    GaussianMixture,
    GaussianProcess,
    Invertible,
    Laplace,
    MonteCarlo,
    Objective,
    PostNonlinear,
    Residual,
    StrADiff,
    StrADiffError,
    Training,
)

N_SAMPLES, N_CHANNELS, N_SOURCES = (40, 90), (2, 4), 2
CLEARED = 25  # fits after which compiled programs are forgotten: they would fill the memory
PRIORS = [None, "auto", "rbf", "matern12", "matern32", "matern52", "periodic", "locally_periodic", "spectral_mixture"]
PRIORS += ["rbf+matern12", "ar", "ar_laplace", "ar_student", "gmm", "gmm_ar", Autoregression(order=2), ["rbf", "ar"]]
PRIORS += [GaussianProcess(length_scale=0.1, learn_jitter=True), GaussianMixture(n_components=2, order=2)]
PRIORS += [GaussianProcess("matern32", jitter=1e-6, learn_sigma_f=True), GaussianProcess(solver="dense")]
MAPS = ["linear", "auto", "mlp", "residual", "post_nonlinear", "invertible", MLP(width=1, depth=1), Residual(depth=3)]
MAPS += [MLP(width=3, linear_path=False, output_scale=1.0), PostNonlinear(knots=1), Invertible(width=2, depth=1)]
NETWORKS = [None, "auto", "dense", "convolutional", "none", Dense(width=1, depth=1), Convolutional(channels=1)]
CHOICES: dict[str, list[Any]] = {
    "n_components": [1, N_SOURCES, N_SOURCES, "auto", None],
    "mixing": MAPS,
    "prior": PRIORS,
    "preset": ["default", "default", "paper"],
    "normalise": [None, None, "auto", "centre", "standardise", "whiten"],
    "init": [None, None, "sobi", "fastica", "picard", "random"],
    "n_restarts": [1, 1, 2],
    "uncertainty": [None, "laplace", "monte-carlo", Laplace(n_draws=2), MonteCarlo(n_draws=2)],
}
NESTED: dict[type, dict[str, list[Any]]] = {
    Diffusion: {
        "n_steps": [None, 1, 3],
        "schedule": [None, "cosine"],
        "network": NETWORKS,
        "shared": [None, True],
        "output_scale": [None, 0.0, 1.0],
        "start_sigma": [None, 1e-6, 1.0],
        "start_spread": [None, 1.0],
        "deterministic_start": [None, True],
    },
    Objective: {
        "nu_y": [None, 1e-6, 1.0],
        "lambda_prior": [None, 0.0],
        "lambda_diff": [None, 0.0],
        "lambda_kl": [None, 0.0, 1.0],
        "lambda_volume": [None, 0.0],
        "standardise": [None, True, False],
        "diffusion_moves_sources": [None, False],
    },
    Training: {
        "max_epochs": [0, 1, 2],
        "tol": [0.0],
        "learning_rate": [None, 1e-6, 0.1],
        "prior_rate": [None, 1e-3],
        "halving": [None, 1.0],
        "segment_length": [None, "auto", "whole"],
        "n_devices": [None, "all"],
        "record_epochs": [None, (), (0, 1)],
    },
}
RESULTS = ("sources_", "sources_std_", "reconstruction_", "length_scales_", "noise_std_")


def combination(rng: np.random.Generator) -> dict[str, Any]:
    """Parameters of an estimator, each of them one of its choices; most nested ones left to the preset."""
    parameters = {name: choices[rng.integers(len(choices))] for name, choices in CHOICES.items()}
    for kind, fields in NESTED.items():
        given = {name: values[rng.integers(len(values))] for name, values in fields.items() if rng.random() < 0.3}
        if kind is Training:
            given = {"max_epochs": int(rng.integers(3)), "tol": 0.0} | given
        parameters[kind.__name__.lower()] = kind(**given)
    return parameters


def recording(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray | None, str]:
    """Observations, times where they are not even, and what ``missing`` must be."""
    n_samples, n_channels = rng.integers(*N_SAMPLES), rng.integers(*N_CHANNELS, endpoint=True)
    sources = rng.standard_normal((n_samples, n_channels))
    sources[:, 1:] = np.cumsum(sources[:, 1:], axis=0)
    values = sources @ rng.standard_normal((n_channels, n_channels)) * 10.0 ** rng.integers(-3, 4)
    times = np.cumsum(0.1 + rng.random(n_samples)) if rng.random() < 0.25 else None
    if rng.random() < 0.25:
        values[rng.random(values.shape) < 0.1] = np.nan
    if rng.random() < 0.2:
        values = values.astype(np.float32)
    return values, times, "mask" if np.isnan(values).any() else "refuse"


def fault_of(model: StrADiff, values: np.ndarray, times: np.ndarray | None) -> str:
    """What is wrong with a fit: "" where nothing is, the kind of error where it is refused."""
    try:
        model.fit(values, times=times)
    except StrADiffError as error:
        sentence = str(error)
        return "" if "\n" not in sentence and len(sentence) < 400 else f"no sentence: {sentence}"
    for name in RESULTS:
        if not np.isfinite(getattr(model, name)).all():
            return f"{name} is not finite"
    drawn = model.sample_sources(2, random_state=0)
    seen = values[~np.isnan(values).any(axis=1)][:5]
    for name, array in {"draws": drawn, "transform": model.transform(seen)}.items():
        if not np.isfinite(array).all():
            return f"{name} is not finite"
    return ""


def main() -> int:
    """Try combinations for some time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0, help="of the first combination; the next one has the next")
    options = parser.parse_args()
    jax.config.update("jax_disable_most_optimizations", True)  # compiling is nearly all of it
    end, seed, faults, outcomes = time.monotonic() + options.seconds, options.seed, 0, Counter[str]()
    while time.monotonic() < end:
        rng = np.random.default_rng(seed)
        parameters, (values, times, missing) = combination(rng), recording(rng)
        model = StrADiff(**parameters, missing=missing, random_state=seed, verbose=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                fault = fault_of(model, values, times)
            except StrADiffError as error:  # of a fit that was taken
                fault = f"{type(error).__name__}: {error}" if hasattr(model, "sources_") else ""
            except Exception:
                fault = traceback.format_exc()
        outcomes["fitted" if hasattr(model, "sources_") else "refused"] += 1
        if fault:
            faults += 1
            print(f"seed {seed}, {values.shape}, times {times is not None}: {model!r}\n{fault}\n", flush=True)
        seed += 1
        if (seed - options.seed) % CLEARED == 0:
            jax.clear_caches()
    print(f"{seed - options.seed} combinations: {dict(outcomes)}, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
