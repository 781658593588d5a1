"""Do the bands hold what they say? The share of true source values inside nominal 50, 80 and 95 % bands.

    python research/coverage.py                       # the whole table, about two hours on one quick core
    python research/coverage.py --cases "model, m = 6" --seeds 0 1 2
    python research/coverage.py --print --publish     # the table of the results, and into research/uncertainty.md

Sources of the cases called "model" are drawn from the default prior itself (RBF, length-scales of 50, 15 and 5 samples,
xi = 1e-3), mixed linearly, with noise of a tenth of each channel's deviation, or by a leaky-ReLU network; T = 1000.
There the bands of ``uncertainty="laplace"`` must cover what they say. In the other cases the prior or the map is not
the one that made the recording, and the table says what bands are worth then. Beside them stand the paper's Monte Carlo
bands of the same fits. Every estimate is matched in order, sign and scale to the truth, which no recording determines.
MCC is the median over seeds of the mean correlation of sources with the truth, and next to it stands what it would be
had the estimate gone on to the likeliest mixture of the sources (``stradiff/posterior/mixing_uncertainty.py``).

One recording has few errors that count (how much of one source is mixed into another is one number), so coverage varies
from seed to seed, and its standard error over seeds stands beside it. Results go to
``research/results/coverage.json`` as they come, so that a run can be stopped and resumed.
"""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from bands import monte_carlo_bands
from one_table import run
from sklearn.exceptions import ConvergenceWarning

from stradiff import StrADiff, matched_correlation, simulate
from stradiff.assess import coverage
from stradiff.data.simulate import Simulation
from stradiff.data.sources import standardise
from stradiff.errors import SeparationWarning
from stradiff.model import numerics
from stradiff.model.priors import GaussianProcessPrior
from stradiff.posterior.channels import in_recording_channels
from stradiff.posterior.covariance import covariance_of
from stradiff.posterior.laplace import in_double
from stradiff.posterior.mixing_uncertainty import estimate_mixing
from stradiff.posterior.mode import Observations

LEVELS = (0.5, 0.8, 0.95)
T, LENGTH_SCALES, XI, NEARLY_NONE = 1000, (50.0, 15.0, 5.0), 1e-3, 1e-9
SEEDS = {
    "model": range(60, 120),
    "nonlinear": range(60, 84),
    "other": range(5),
}  # of the first two, lower ones were looked at
CASES: dict[str, dict[str, Any]] = {
    "model, m = 6": {"sources": "model", "n_channels": 6, "noise": 0.1},
    "model, m = 3": {"sources": "model", "n_channels": 3, "noise": 0.1},
    "model, leaky-ReLU, m = 6": {"sources": "model", "kind": "leaky_relu", "n_channels": 6, "noise": 0.1},
    "model, leaky-ReLU, m = 3": {"sources": "model", "kind": "leaky_relu", "n_channels": 3, "noise": 0.02},
    "artificial sources": {"n_channels": 6, "noise": 0.1},
    "artificial sources, no noise": {"n_channels": 3},
    "autoregressive sources": {"sources": "ar", "n_channels": 6, "noise": 0.1},
    "leaky-ReLU mixing": {"kind": "leaky_relu", "n_channels": 3, "noise": 0.02},
    "tanh mixing": {"kind": "tanh", "n_channels": 6, "noise": 0.1},
}


def seeds_of(case: str) -> range:
    """Those of the table."""
    if not case.startswith("model"):
        return SEEDS["other"]
    return SEEDS["nonlinear" if "kind" in CASES[case] else "model"]


def measure(case: str, seed: int) -> dict[str, Any]:
    """Coverage of every source on one recording."""
    options = dict(CASES[case])
    kind = options.pop("kind", "linear")
    if options.get("sources") == "model":
        options["sources"] = model_sources(seed)
    simulation = simulate(kind, n_samples=T, seed=seed, **options)
    truth = simulation.sources
    model = StrADiff(3, mixing="linear" if kind == "linear" else "mlp", random_state=seed, verbose=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", SeparationWarning)
        model.fit(simulation.recording.values)
    bands = {"laplace": (model.sources_, model.sources_std_), "monte-carlo": monte_carlo_bands(model)}
    covered = {name: [coverage(*band, truth, level).tolist() for level in LEVELS] for name, band in bands.items()}
    noise = model.noise_std_ / simulation.noise_free.std(axis=0)
    correlation = matched_correlation(model.sources_, truth).tolist()
    row = {"case": case, "seed": seed, **covered, "noise": noise.tolist(), "correlation": correlation}
    return row | ({"likeliest": at_likeliest_mixture(model, simulation).tolist()} if kind == "linear" else {})


def at_likeliest_mixture(model: StrADiff, simulation: Simulation) -> np.ndarray:
    """Correlation with the truth that the sources would have at the mixture of theirs that evidence prefers."""
    separation = model._separation
    with numerics():
        channels, model = in_recording_channels(separation.normaliser, separation.model)
        fitted, posterior = in_double(model), separation.posterior
        observed = jnp.asarray(channels.forward(simulation.recording.values))
        observations = Observations(observed, None, None, covariance_of(fitted, None), posterior.nu)
        sources = estimate_mixing(fitted, posterior.mode, observations).sources
    return matched_correlation(np.asarray(sources).T, simulation.sources)


def model_sources(seed: int) -> np.ndarray:
    """Draws ``(T, 3)`` of the default prior, of unit variance over the record, as the model holds its sources.

    A slow draw has another variance than one over a record of a few excursions. Divided as a whole, it would bring
    along a jitter that the prior does not have.
    """
    with numerics():
        keys = jax.random.split(jax.random.key(seed), len(LENGTH_SCALES))
        priors = [GaussianProcessPrior(scale / (T - 1), jitter=NEARLY_NONE) for scale in LENGTH_SCALES]
        smooth = [np.asarray(prior.sample(key, T, None)) for prior, key in zip(priors, keys, strict=True)]
    white = np.random.default_rng(seed).standard_normal((T, len(LENGTH_SCALES)))
    return standardise(np.column_stack(smooth)) + np.sqrt(XI) * white


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: per case the coverage in per cent, Laplace's with its standard error over seeds, and Monte Carlo's.

    Noise is the mean over channels, in their standard deviations; "found" is its median over seeds.
    """
    lines = [
        "| case | seeds | Laplace 50 % | 80 % | 95 % | Monte Carlo 50 % | 80 % | 95 % | MCC | at the likeliest "
        "| noise: there is, found |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for case in CASES:
        own = [row for row in rows if row["case"] == case]
        if own:
            lines.append(_line(case, own))
    return "\n".join(lines)


def _line(case: str, rows: list[dict[str, Any]]) -> str:
    laplace, monte_carlo = (
        100 * np.array([row[name] for row in rows]).mean(axis=2) for name in ("laplace", "monte-carlo")
    )
    error = laplace.std(axis=0, ddof=1) / np.sqrt(len(rows)) if len(rows) > 1 else np.full(len(LEVELS), np.nan)
    cells = [case, str(len(rows))]
    cells += [f"{mean:.1f} ± {se:.1f}" for mean, se in zip(laplace.mean(axis=0), error, strict=True)]
    cells += [f"{mean:.1f}" for mean in monte_carlo.mean(axis=0)]
    cells += [_correlation(rows, name) for name in ("correlation", "likeliest")]
    cells.append(f"{CASES[case].get('noise', 0.0):.3f}, {np.median([np.mean(row['noise']) for row in rows]):.3f}")
    return "| " + " | ".join(cells) + " |"


def _correlation(rows: list[dict[str, Any]], name: str) -> str:
    """Median over seeds of the mean over sources, and the worst source of all; a dash where the map is nonlinear."""
    if name not in rows[0]:
        return "–"
    every = np.array([row[name] for row in rows])
    return f"{np.median(every.mean(axis=1)):.4f}, worst {every.min():.3f}"


if __name__ == "__main__":
    title = "Do the bands hold what they say?"
    run(
        __doc__,
        "coverage",
        CASES,
        measure,
        table,
        title=title,
        page="uncertainty.md",
        kind="coverage",
        seeds_of=seeds_of,
    )
