"""The prior of one source, value and gradient: beside a real FFT of length 2T, and against the dense solver.

Differentiated is with respect to the source and to all parameters, sigma_f and xi among them. The FFT is timed in turn
with the prior, in the same process, by JAX and by SciPy; the quicker of the two counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.fft
from jax.scipy.linalg import cholesky, solve_triangular, toeplitz

from scaling.memory import Peak
from scaling.one_process import Row
from stradiff.model import numerics
from stradiff.model.priors import Autoregression, GaussianProcess, Prior

LIMIT = 90.0  # seconds for a row: far more than O(T log T) takes
T_TIMED, T_CHECKED = (1_000, 100_000, 1_000_000), 2_000
ROUNDS, LEAST = 5, 0.01  # of the three in turn; seconds that each works in a round, at least
PLACES = {
    "5 samples": lambda T: 5 / (T - 1),
    "20 samples": lambda T: 20 / (T - 1),
    "a hundredth of the record": lambda T: 0.01,
    "a twentieth of the record": lambda T: 0.05,
    "half the record": lambda T: 0.5,
}
"""Length-scales. Those of the RBF kernel change from one algorithm to the other at a 48th of the record."""
USUAL = "20 samples"
MATERN = ("matern12", "matern32", "matern52")
OTHERS = ("periodic", "locally_periodic", "spectral_mixture", "rbf+matern12", "rbf+periodic")
AR = (0.9, -0.6, 0.3, 0.1)  # free partial autocorrelations of prior "ar": a damped resonance


def kinds() -> list[Row]:
    """Kernels, length-scales and grids."""
    shortest, _, hundredth, twentieth, half = PLACES
    chosen = [("rbf", place, "regular") for place in (shortest, hundredth, twentieth)]
    chosen += [(kernel, USUAL, "regular") for kernel in MATERN + OTHERS]
    chosen += [(kernel, half, "regular") for kernel in OTHERS if kernel != "periodic"]
    chosen += [("matern32", USUAL, "irregular")]
    chosen += [("ar", "", "regular")]
    return [dict(zip(("kernel", "length", "grid"), one, strict=True)) for one in chosen]


def cases(quick: bool) -> list[Row]:
    """Every kind timed at every length of a record, and checked at one."""
    timed = [{**kind, "T": T} for T in (T_TIMED[:1] if quick else T_TIMED) for kind in kinds()]
    return timed + [{**kind, "T": 500 if quick else T_CHECKED, "check": True} for kind in kinds()]


def measured(case: Row) -> Row:
    """Seconds and memory, or errors."""
    with numerics():
        return checked(case) if case.get("check") else timed(case)


def timed(case: Row) -> Row:
    """Medians over rounds in which the prior and the two FFTs take turns."""
    prior, source, times = problem(case)
    twice = np.random.default_rng(1).standard_normal(2 * case["T"])
    on_device, transform = jnp.asarray(twice), jax.jit(jnp.fft.rfft)
    jax.block_until_ready(transform(on_device[:64]))
    peak, both = Peak(), jax.jit(jax.value_and_grad(log_prob, argnums=(0, 1)))
    jax.block_until_ready(both(prior, source, times))
    jax.block_until_ready(both(prior, source, times))
    taken = peak.bytes()
    calls: dict[str, Callable[[], Any]] = {
        "prior": lambda: jax.block_until_ready(both(prior, source, times)),
        "jax": lambda: jax.block_until_ready(transform(on_device)),
        "scipy": lambda: scipy.fft.rfft(twice),
    }
    return {"seconds": in_turn(calls), "memory": taken}


def in_turn(calls: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Seconds of a call of each: A, B, C, A, B, C, .. so that what else the machine does meets all."""
    for call in calls.values():
        call()
    repeats = {name: max(1, round(LEAST / max(_seconds(call, 1), 1e-7))) for name, call in calls.items()}
    rounds = [{name: _seconds(call, repeats[name]) for name, call in calls.items()} for _ in range(ROUNDS)]
    return {name: float(np.median([one[name] for one in rounds])) for name in calls}


def _seconds(call: Callable[[], Any], repeats: int) -> float:
    began = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - began) / repeats


def checked(case: Row) -> Row:
    """Relative errors against the T x T Cholesky factorisation: of the value, and of each gradient as a vector."""
    prior, source, times = problem(case)
    computed, expected = (
        jax.jit(jax.value_and_grad(call, argnums=(0, 1)))(one, source, times)
        for call, one in ((log_prob, prior), (dense_log_prob, problem(case, solver="dense")[0]))
    )
    (value, (by_prior, by_source)), (expected_value, (expected_prior, expected_source)) = computed, expected
    flat = [np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)]) for tree in (by_prior, expected_prior)]
    return {
        "value": float(abs(value - expected_value) / abs(expected_value)),
        "by_source": _relative(by_source, expected_source),
        "by_parameters": _relative(*flat),
    }


def _relative(computed: Any, expected: Any) -> float:
    return float(np.linalg.norm(np.asarray(computed) - np.asarray(expected)) / np.linalg.norm(np.asarray(expected)))


def problem(case: Row, solver: str = "auto") -> tuple[Prior, jax.Array, jax.Array | None]:
    """The prior in double precision, a source of two tones and noise, and the times where they are irregular."""
    T, rng = case["T"], np.random.default_rng(0)
    length = PLACES[case["length"]](T) if case["length"] else 0.05
    learned = {"learn_sigma_f": True, "learn_jitter": True}
    if case["kernel"] == "ar":
        prior: Prior = Autoregression(**learned).build(T)
        prior = eqx.tree_at(lambda one: one.free, prior, jnp.asarray(AR))
    else:
        prior = GaussianProcess(kernel=case["kernel"], length_scale=length, solver=solver, **learned).build(T)
    prior = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), prior)  # else single precision would be compared
    steps = rng.uniform(0.2, 1.8, T) if case["grid"] == "irregular" else np.ones(T)
    times = (np.cumsum(steps) - steps[0]) / (steps.sum() - steps[0])
    source = np.sin(40 * times) + 0.5 * np.sin(0.3 * np.arange(T)) + 0.05 * rng.standard_normal(T)
    return prior, jnp.asarray(source), jnp.asarray(times) if case["grid"] == "irregular" else None


def log_prob(prior: Prior, source: jax.Array, times: jax.Array | None) -> jax.Array:
    """As an epoch calls it."""
    return prior.log_prob(source, times)


def dense_log_prob(prior: Prior, source: jax.Array, times: jax.Array | None) -> jax.Array:
    """The slow, obvious computation of the same: by a prior's own dense solver, where it has one."""
    return log_prob(prior, source, times) if hasattr(prior, "solver") else from_spectrum(prior, source)


def from_spectrum(prior: Prior, source: jax.Array) -> jax.Array:
    """log N(s; 0, K), the autocovariances in K by the inverse transform of the spectrum on a long circle."""
    T, circle = source.shape[0], 2**16
    spectrum = prior.spectrum(2 * jnp.pi * jnp.arange(circle) / circle, T)
    factor = cholesky(toeplitz(jnp.fft.ifft(spectrum).real[:T]), lower=True)
    whitened = solve_triangular(factor, source, lower=True)
    return -0.5 * (T * jnp.log(2 * jnp.pi) + jnp.sum(whitened**2)) - jnp.sum(jnp.log(jnp.diagonal(factor)))
