"""Fits on four devices beside the same on one: a program, because JAX must know how many there are before it starts.

Prints one JSON object, which ``test_devices`` judges.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from quick_compile import quick_compile
from short import changed, configuration, estimator

from stradiff import SOBI, Dense, matched_correlation, simulate
from stradiff.errors import OptionError
from stradiff.initialise.model import random_model
from stradiff.model import numerics
from stradiff.train import minibatch_step, step
from stradiff.train.loop import Loop
from stradiff.train.minibatches import Minibatches, Segment
from stradiff.train.sharding import Sharding, devices_for
from stradiff.train.step import StepSettings

N, T, M, EPOCHS = 4, 120, 5, 20
SMALL = configuration(
    n_sources=N, n_steps=2, network=Dense(width=4), standardise=True, lambda_volume=1.0, mixing="mlp", mixing_width=4,
    n_devices=4,
)  # fmt: skip
OBSERVED = np.random.default_rng(0).standard_normal((700, M)).astype(np.float32)


def distance(tree, other):
    """Largest difference of two trees, in units of float32's rounding of the largest number of an array."""
    pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True)
    plain = [(np.asarray(a, np.float64), np.asarray(b, np.float64)) for a, b in pairs]
    eps = float(np.finfo(np.float32).eps)
    return max(float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-3)) for a, b in plain) / eps


def loop(settings):
    model = random_model(T, M, settings, jax.random.key(0))
    return Loop(OBSERVED[:T], None, settings, model, jax.random.key(1), None)


def run_of(fit, epochs):
    """State and history after some epochs, and the compiled program."""
    options = (StepSettings.of(fit._settings), jnp.float32(1e-3), jnp.int32(epochs), fit._mask)
    with fit.sharding.in_force():
        program = step.run.lower(fit.state, fit._observed, None, *options).compile()
        return *program(fit.state, fit._observed, None, *options), program.compiled.as_text()


def whole_record(settings, epochs):
    """Epochs on four devices: how far from those on one, what is where, and what is collected from all devices."""
    fit = loop(settings)
    state, info, program = run_of(fit, epochs)
    alone, wanted, _ = run_of(loop(changed(settings, n_devices=1)), epochs)
    model, moments = state.model, state.optimiser.mu
    spread = {"start": model.branches.start.mean, "moment of it": moments.branches.start.mean}
    spread |= {"network": model.branches.network.weight_in, "prior": jax.tree.leaves(model.priors.groups[0])[0]}
    sizes = [line.split("=")[1].split("[")[1].split("]")[0] for line in program.splitlines() if " all-gather(" in line]
    return {
        "objective": distance(info.total[:epochs], wanted.total[:epochs]),
        "model": distance(fit.sharding.collected(model), alone.model),
        "share": {name: array.addressable_shards[0].data.size / array.size for name, array in spread.items()},
        "devices": [len(array.sharding.device_set) for array in spread.values()],
        "gathered": max(int(np.prod([int(length) for length in size.split(",")])) for size in sizes),
    }


def uneven():
    """How far gradients are where one family of priors does not divide, and one network is for all; and its share."""
    priors = ("matern12", "matern12", "ar", "matern12")
    model = random_model(T, M, changed(SMALL, prior=priors, shared=True), jax.random.key(0))
    noise = jax.random.normal(jax.random.key(1), (N, T), jnp.float32)
    gradient = jax.jit(jax.value_and_grad(lambda model: model.log_prior(model.at(noise), None)))
    sharding = Sharding.of_sources(jax.devices(), N)
    with sharding.in_force():
        placed = sharding.placed(step.init(model, jax.random.key(0))).model
        sharded = gradient(placed)
    kept = placed.branches.start.mean, placed.branches.network.weight_in, jax.tree.leaves(placed.priors.groups[0])[0]
    share = [array.addressable_shards[0].data.size / array.size for array in kept]
    return {"gradient": distance(sharded, gradient(model)), "share": share}


def segments():
    """Four segments at once beside each alone, and the samples whose starts a step moves."""
    config = changed(SMALL, mixing="linear", network="convolutional", prior="matern12", lambda_volume=0.0)
    settings = StepSettings.of(config)
    plan, observed = Minibatches.of(len(OBSERVED), 60, 4), jnp.asarray(OBSERVED)
    model = random_model(len(OBSERVED), M, config, jax.random.key(0))
    state = minibatch_step.init(model, jax.random.key(1), plan)
    indices = minibatch_step._segments_of_epoch(state, plan)
    alone = jax.jit(lambda k, i: minibatch_step._evaluation(state, i, k, observed, settings, plan, None))
    each = [alone(jnp.asarray(k, jnp.int32), index) for k, index in enumerate(indices)]
    mean = jax.tree.map(lambda *gradients: np.mean([np.asarray(g) for g in gradients], axis=0), *[g for _, g in each])
    sharding = Sharding.of_segments(jax.devices(), plan.at_once)
    with sharding.in_force():
        (evaluations, gradient), (after, _) = jax.jit(
            lambda s, rows: (
                minibatch_step._evaluations(s, minibatch_step._segments_of_epoch(s, plan), rows, settings, plan, None),
                minibatch_step.step(s, rows, settings, 1e-3, plan),
            )
        )(sharding.placed(state), sharding.on_all(observed))
    first = [int(Segment.of(index, plan).first) for index in indices]
    apart = np.concatenate([np.arange(place, place + plan.length) for place in first])
    return {
        "plan": [plan.at_once, plan.count % plan.at_once, len(set(map(int, indices)))],
        "gradient": distance(gradient, mean),
        "evaluations": distance(evaluations, [evaluation for evaluation, _ in each]),
        "seen once": bool((np.bincount(apart) <= 1).all()),
        "moved there alone": np.flatnonzero(np.asarray(after.starts.count)).tolist() == sorted(apart.tolist()),
        "seen": float(after.records.seen.sum()),
    }


def public(folder):
    """A fit by the estimator: correlations of SOBI's and of its sources with the true ones; whether a stop matters."""
    problem = simulate("linear", n_samples=2500, seed=100)
    options = {"segment_length": 256, "max_epochs": 200, "tol": 0.0, "random_state": 0, "n_draws": 2, "verbose": False}
    options |= {"n_steps": 1, "uncertainty": "monte-carlo", "network": "convolutional"}
    options |= {"prior": "matern12", "length_scale": 0.02, "lambda_volume": 0.0}  # these are quick to compile

    def stop(report):
        if report.epoch == 100:
            raise KeyboardInterrupt

    values = problem.recording.values
    fit, sobi = estimator(3, n_devices=4, **options).fit(values), SOBI(3).fit_transform(values)
    kept = {"checkpoint": folder / "training.checkpoint", "n_devices": "all"}
    estimator(3, **options, **kept, callbacks=(stop,)).fit(values)
    resumed = estimator(3, **options, **kept).fit(values)
    return {
        "correlation": [float(matched_correlation(some, problem.sources).min()) for some in (sobi, fit.sources_)],
        "n_devices": fit.fit_info_["n_devices"],
        "resumed": bool((resumed.sources_ == fit.sources_).all()),
    }


def refusal():
    try:
        devices_for(5)
    except OptionError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    report = {
        "shares": {n: Sharding.of_sources(jax.devices(), n).n_devices for n in (3, 4, 5, 6)},
        "refusal": refusal(),
    }
    with quick_compile(), numerics():
        report |= {"whole": whole_record(SMALL, EPOCHS), "uneven": uneven()}
        report |= {"segments": segments(), "public": public(Path(sys.argv[1]))}
    print(json.dumps(report))
