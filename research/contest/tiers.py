"""The list of problems: first those with a target, each kind whole, then changes of one thing at a time."""

from __future__ import annotations

from dataclasses import dataclass

from contest import targets
from contest.methods import ABLATIONS, BRANCHES, DEFAULT, LINEAR, ORACLE, PEERS, PRESETS, PRIORS
from contest.problems import Problem
from contest.targets import Target

ALL_METHODS = (DEFAULT, *LINEAR, *PEERS, ORACLE)
WITHOUT_PEERS = (DEFAULT, *LINEAR, ORACLE)
FIVE, TEN, LOOKED_AT = tuple(range(20, 25)), tuple(range(20, 30)), tuple(range(15, 20))
"""Not looked at before the settings were final. The third are those of problems that are only looked at: 0 to 4
stood there until it had been seen on them what kinds of priors help.
"""
AGAIN = (*FIVE, *range(30, 35))
"""A table of the first five showed that a start can fail. The correction was developed on others, and is
judged on new ones as well.
"""
DEVELOPMENT = 100
"""Seeds from here on may be looked at while settings are chosen; those below belong to the tables."""


@dataclass(frozen=True)
class Tier:
    """Problems that are judged by one question."""

    name: str
    title: str
    problems: tuple[Problem, ...]
    target: dict[str, Target]
    """By problem name; problems of a tier without a target are there to be looked at."""
    methods: tuple[str, ...] = ALL_METHODS
    seeds: tuple[int, ...] = FIVE


def aimed(name: str, title: str, target: Target, *problems: Problem, **options: tuple) -> Tier:
    """A tier whose problems have one target."""
    return Tier(name, title, problems, {problem.name: target for problem in problems}, **options)


LEAKY = Problem("leaky-ReLU, 2 layers", "leaky_relu")
LEAKY_3 = Problem("leaky-ReLU, 3 layers", "leaky_relu", n_layers=3)
TANH = Problem("tanh", "tanh")
NOISY = Problem("linear, 10 % noise, m = 6", n_channels=6, noise=0.1)
SPARSE, MULTIMODAL = Problem("sparse sources", sources="sparse"), Problem("multimodal sources", sources="multimodal")
REAL = Problem("real, post-nonlinear", "sensor", "real", n_sources=4, n_channels=4)

WITH_TARGET = (
    aimed(
        "linear",
        "Linear mixing, no noise",
        targets.EVERY_SOURCE,
        Problem("linear, orthogonal", condition=1.0),
        Problem("linear, condition 3"),
        Problem("linear, condition 100", condition=100.0),
        Problem("linear, n = 5", sources="ar", n_sources=5, n_channels=5),
        Problem("linear, n = 5, condition 100", sources="ar", n_sources=5, n_channels=5, condition=100.0),
    ),
    aimed(
        "many",
        "Linear mixing of twenty sources",
        targets.MANY_SOURCES,
        Problem("linear, n = 20", sources="ar", n_sources=20, n_channels=20),
        methods=WITHOUT_PEERS,
    ),
    aimed(
        "noise",
        "Linear mixing with noise, twice as many channels as sources",
        targets.ABOVE_LINEAR_METHODS,
        NOISY,
        Problem("linear, 10 % noise, m = 10", sources="ar", n_sources=5, n_channels=10, noise=0.1),
    ),
    aimed("leaky", "Leaky-ReLU networks of two layers", targets.LEAKY_RELU, LEAKY),
    aimed(
        "networks",
        "Stronger networks, as many channels as sources",
        targets.ABOVE_ORACLE_MOSTLY,
        LEAKY_3,
        TANH,
        seeds=TEN,
    ),
    aimed(
        "wide",
        "Stronger networks, twice as many channels as sources",
        targets.ABOVE_ORACLE,
        Problem("leaky-ReLU, 3 layers, m = 6", "leaky_relu", n_layers=3, n_channels=6),
        Problem("tanh, m = 6", "tanh", n_channels=6),
        seeds=AGAIN,
    ),
    aimed("real", "Real sources through saturating sensors", targets.REAL, REAL),
)

TO_LOOK_AT = (
    Tier("ablations", "What each part is worth", (LEAKY, NOISY), {}, (DEFAULT, *ABLATIONS)),
    Tier(
        "branch",
        "What the diffusion branch is worth with few samples",
        (Problem("leaky-ReLU, T = 300", "leaky_relu", n_samples=300),),
        {},
        (DEFAULT, *BRANCHES, "SOBI", ORACLE),
        LOOKED_AT,
    ),
    Tier(
        "sources",
        "Other sources, linear mixing",
        (
            Problem("RBF-GP sources", sources="rbf"),
            Problem("Matérn-GP sources", sources="matern32"),
            Problem("autoregressive sources", sources="ar"),
            Problem("modulated sources", sources="modulated"),
            SPARSE,
            MULTIMODAL,
            Problem("real sources, linear", sources="real", n_sources=4, n_channels=4),
        ),
        {},
        WITHOUT_PEERS,
        LOOKED_AT,
    ),
    Tier(
        "nonlinearities",
        "Other nonlinearities and other sources through them",
        (
            Problem("leaky-ReLU, 2 layers, slope 0.05", "leaky_relu", slope=0.05),
            Problem("leaky-ReLU, 3 layers, slope 0.05", "leaky_relu", n_layers=3, slope=0.05),
            Problem("post-nonlinear", "post_nonlinear"),
            Problem("tanh, RBF-GP sources, 2 % noise", "tanh", "rbf", noise=0.02),
            Problem("tanh, sparse sources", "tanh", "sparse"),
            Problem("leaky-ReLU, 10 % noise", "leaky_relu", noise=0.1),
        ),
        {},
        seeds=LOOKED_AT,
    ),
    Tier(
        "sizes",
        "Number of sources and length of the recording",
        (
            Problem("leaky-ReLU, n = 2", "leaky_relu", "ar", n_sources=2, n_channels=2),
            Problem("leaky-ReLU, n = 5", "leaky_relu", "ar", n_sources=5, n_channels=5),
            Problem("linear, n = 10", sources="ar", n_sources=10, n_channels=10),
            Problem("linear, T = 5,000", sources="rbf", n_samples=5000),
            Problem("leaky-ReLU, T = 5,000", "leaky_relu", "rbf", n_samples=5000),
            Problem("linear, T = 20,000", sources="rbf", n_samples=20_000),
        ),
        {},
        WITHOUT_PEERS,
        LOOKED_AT,
    ),
    Tier("variants", "Other priors and presets", (NOISY,), {}, (DEFAULT, *PRIORS, *PRESETS)),
    Tier(
        "marginals",
        "Priors that see more of a source than its spectrum",
        (SPARSE, MULTIMODAL),
        {},
        (DEFAULT, *(f"StrADiff, prior {name}" for name in ("rbf", "ar_laplace", "gmm_ar")), "SOBI", "FastICA"),
        LOOKED_AT,
    ),
)

TIERS = {tier.name: tier for tier in (*WITH_TARGET, *TO_LOOK_AT)}
QUICK = ("linear, condition 3", "leaky-ReLU, 2 layers", "tanh", "real, post-nonlinear")
