"""The benchmark of the diffusion branch: its scores separate good draws from bad ones, its page shows its results."""

from __future__ import annotations

import json
from pathlib import Path

import branch
import drawing
import generative_networks
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from contest.tiers import DEVELOPMENT
from quick_compile import quick_compile

ROOT = Path(__file__).parents[2]


def test_the_page_shows_the_results():
    rows = json.loads((ROOT / "research" / "results" / "branch.json").read_text(encoding="utf-8"))
    page = (ROOT / "research" / "branch.md").read_text(encoding="utf-8")
    assert branch.filled(page, rows) == page
    assert [f"<!-- table: {name} -->" in page for name in branch.TABLES] == [True] * 3
    assert {row["seed"] for row in rows} <= set(range(DEVELOPMENT))
    asked = {(case, kind) for case, options in branch.CASES.items() for kind in options["branches"]}
    assert {(row["case"], row["branch"]) for row in rows} <= asked


def test_scores_separate_the_true_process_from_noise_and_from_repetition():
    oracle = np.stack([drawing.drawn_from("rbf", seed) for seed in range(40)])
    reference, drawn, others, source = oracle[:20], oracle[20:30], oracle[30:], oracle[-1]
    noise = np.random.default_rng(0).standard_normal(drawn.shape)
    with quick_compile():
        true, white, same = (
            drawing.judged(each, reference, source, "rbf") for each in (drawn, noise, np.stack([source] * 10))
        )
        expected = np.array(drawing.density(others)) - np.array(true["density"])
    assert max(true["spectrum"]) < 4 < 20 < min(white["spectrum"])
    assert max(true["repeats"]) < 0.8 and min(same["repeats"]) > 0.999 and max(white["repeats"]) < 0.1
    # A Gaussian of T dimensions has a mean log density of -1/2 (T log 2 pi + log det K + T) under itself.
    assert np.abs(expected).max() < 0.5 < 100 < min(np.subtract(true["density"], white["density"]))


@pytest.mark.parametrize("process", ["rbf", "multimodal"])
def test_processes_are_drawn_by_seed(process):
    first, again, other = (drawing.drawn_from(process, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1 and first.shape == (drawing.T, 3)


def test_the_convolutional_network_moves_along_the_record():
    level, n_samples, step = jnp.float32(0.3), 4 * generative_networks.REACH, 7
    with quick_compile():
        network = generative_networks.Convolutional(jax.random.key(0))
        network = jax.tree.map(lambda leaf: leaf + 0.1, network)  # or its last layer would be silent
        source = jax.random.normal(jax.random.key(1), (n_samples + step,), jnp.float32)
        apply = jax.jit(lambda source: network(source, level))
        first, moved = np.asarray(apply(source[:-step])), np.asarray(apply(source[step:]))
    inner = slice(generative_networks.REACH + step, -generative_networks.REACH - step)
    np.testing.assert_allclose(first[step:][inner], moved[:-step][inner], rtol=1e-3, atol=1e-3)
    assert first[inner].std() > 0.01
