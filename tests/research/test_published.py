"""The benchmark on published generators: its head is a head, its problems are what they say, its overview is right."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from contest import runner, scores, tiers
from contest.methods import DEFAULT, METHODS, ORACLE, stradiff
from generators import head

ROOT = Path(__file__).parents[2]
HOMOGENEOUS = {"radii": (1.0,), "conductivities": (0.33,)}


@pytest.fixture(scope="module")
def published():
    spec = importlib.util.spec_from_file_location("published", ROOT / "research" / "published.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A file like that of the real sources."""
    path = tmp_path_factory.mktemp("real") / "real_sources.npz"
    np.savez(path, short=np.random.default_rng(0).standard_normal((1000, 4)).cumsum(axis=0).astype(np.float32))
    return path


# --- the head ------------------------------------------------------------------------------------------------


def closed_form(place, electrodes):
    """A function whose gradient in ``place`` is the potential of a dipole in a homogeneous sphere.

    ``sum_k (2 k + 1) / k r^k P_k(c)``, summed by the generating function of Legendre polynomials.
    """
    c, distance = electrodes @ place, np.linalg.norm(electrodes - place, axis=1)
    return (2 / distance - 2 + np.log(2 / (1 - c + distance))) / (4 * np.pi * 0.33)


def test_a_dipole_in_a_homogeneous_sphere_has_its_closed_form():
    electrodes = head.cap(20)
    for place in np.array([[0.1, 0.5, 0.5], [0.7, 0.0, 0.3], [-0.2, -0.6, -0.1]]):
        steps = 1e-5 * np.eye(3)
        gradient = [(closed_form(place + s, electrodes) - closed_form(place - s, electrodes)) / 2e-5 for s in steps]
        found = head.lead_field(electrodes, place, **HOMOGENEOUS)[:, 0]
        np.testing.assert_allclose(found, np.transpose(gradient), atol=1e-6)


def test_shells_of_one_conductivity_are_one_sphere():
    electrodes, places = head.cap(32), np.array([[0.2, 0.3, 0.7], [0.5, -0.5, 0.3]])
    shells = head.lead_field(electrodes, places, conductivities=(0.33,) * 3)
    np.testing.assert_allclose(shells, head.lead_field(electrodes, places, **HOMOGENEOUS), atol=1e-12)


def test_potential_and_current_are_continuous_between_shells():
    """The gains solve the equations of the boundaries, here as one linear system for every order."""
    gains = head.surface_gain(6, head.RADII, head.CONDUCTIVITIES)
    (r, s, _), (brain, skull, scalp) = head.RADII, head.CONDUCTIVITIES
    for k, gain in enumerate(gains, start=1):
        up, down = lambda r, k=k: r**k, lambda r, k=k: r ** -(k + 1)
        rising, falling = lambda r, k=k: k * r ** (k - 1), lambda r, k=k: -(k + 1) * r ** -(k + 2)
        # unknown: p of the brain, then p and q of skull and scalp; q of the brain is 1
        left = [
            [up(r), -up(r), -down(r), 0, 0],
            [brain * rising(r), -skull * rising(r), -skull * falling(r), 0, 0],
            [0, up(s), down(s), -up(s), -down(s)],
            [0, skull * rising(s), skull * falling(s), -scalp * rising(s), -scalp * falling(s)],
            [0, 0, 0, rising(1.0), falling(1.0)],
        ]
        *_, p, q = np.linalg.solve(left, [-down(r), -brain * falling(r), 0, 0, 0])
        assert gain == pytest.approx(p + q)


def test_a_skull_blurs():
    """The potential of a radial dipole falls off more slowly with the distance of the electrode."""
    angle = np.linspace(0, np.pi / 2, 10)
    electrodes = np.column_stack([np.sin(angle), np.zeros(10), np.cos(angle)])
    bare, skull = (head.lead_field(electrodes, np.array([0, 0, 0.7]), **kind)[:, 0, 2] for kind in (HOMOGENEOUS, {}))
    assert skull[3] / skull[0] > 2 * bare[3] / bare[0]
    assert skull[0] < 0.5 * bare[0]


def test_time_courses_have_their_rhythms():
    S = head.time_courses(np.random.default_rng(0), 5000, 4)
    power = np.abs(np.fft.rfft(S, axis=0)) ** 2
    frequency = np.fft.rfftfreq(5000, 1 / head.RATE)
    mean_frequency = (frequency[:, None] * power).sum(axis=0) / power.sum(axis=0)
    np.testing.assert_allclose(mean_frequency[:4], head.RHYTHMS[:4], atol=3.0)
    assert mean_frequency[5] == pytest.approx(head.LINE, abs=0.1)
    assert ((S**4).mean(axis=0)[4] > 5) and mean_frequency[4] < 3, "blinks are slow and rare"
    assert np.abs(np.corrcoef(S.T) - np.eye(6)).max() < 0.15


def test_bad_channels_hold_noise_and_good_ones_their_share():
    problem = head.head(32, 5000, noise=0.05, n_bad=3)
    example = problem.draw(100)
    share = (example.observed - example.noise_free).var(axis=0) / example.noise_free.var(axis=0)
    assert np.sum(share > 1) == 3
    np.testing.assert_allclose(share[share < 1], 0.05, rtol=0.15)
    np.testing.assert_allclose(example.noise_free, example.sources @ example.matrix.T, atol=1e-12)
    np.testing.assert_allclose(example.noise_free.mean(axis=1), 0, atol=1e-12)
    assert example.observed.shape == (5000, 32) and "SNR 13.0 dB" in problem.description
    front = head.cap(32)[:, 1] > 0.6
    assert np.abs(example.matrix[front, 4]).mean() > 2 * np.abs(example.matrix[~front, 4]).mean(), "blinks are in front"


# --- problems ------------------------------------------------------------------------------------------------


def test_the_list_is_consistent(published):
    listed = [problem for tier in published.TIERS.values() for problem in tier.problems]
    names = [problem.name for problem in listed]
    assert len({*names}) == len(names)
    assert not {*names} & {problem.name for tier in tiers.TIERS.values() for problem in tier.problems}
    for tier in published.TIERS.values():
        assert {*tier.methods} <= {*METHODS} and max(tier.seeds) < tiers.DEVELOPMENT
    assert all(problem.description for problem in listed), "the tables would put it together wrongly"


def test_every_problem_is_what_it_promises(published, real):
    for problem in (problem for tier in published.TIERS.values() for problem in tier.problems):
        example = problem.draw(100, real)
        assert example.sources.shape == (problem.n_samples, problem.n_sources), problem.name
        assert example.observed.shape == (problem.n_samples, problem.n_channels), problem.name
        np.testing.assert_allclose(example.sources.std(axis=0), 1, err_msg=problem.name)
        assert problem.n_samples % problem.n_recordings == 0
        share = (example.observed - example.noise_free).var(axis=0) / example.noise_free.var(axis=0)
        assert np.median(share) == pytest.approx(problem.noise**2, rel=0.1), problem.name
        assert (example.matrix is None) == (problem.mixing != "linear")
        if problem.noise:
            assert f"noise {problem.noise**2:.0%} of variance" in problem.description
            assert f"SNR {-20 * math.log10(problem.noise):.1f} dB" in problem.description


def test_a_saturation_loses_its_linear_part(published, real):
    (quiet, _) = published.real("saturation", "tanh(0.5 x)")
    example = quiet.draw(100, real)
    x = np.arctanh(example.noise_free) / 0.5
    np.testing.assert_allclose(x.std(axis=0), 1)
    known = np.column_stack([example.sources, np.ones(1000)])
    assert np.linalg.lstsq(known, x, rcond=None)[1].max() < 1e-12


# --- running -------------------------------------------------------------------------------------------------


def test_recordings_of_one_mixing_are_separated_together(published):
    problem = published.several("tp_nica", 1, 2, 100, freedom=None)
    example = problem.draw(100)
    outcome = stradiff(training__max_epochs=5, diffusion__network="none")(problem, example, 100)
    assert outcome.sources.shape == example.sources.shape and outcome.reconstruction.shape == example.observed.shape
    np.testing.assert_allclose(outcome.sources.std(axis=0), 1, rtol=1e-3, err_msg="each recording has its own scale")
    assert outcome.sources[:100].std() != pytest.approx(1, rel=1e-3)
    assert outcome.unmixing.shape == (3, 3) and "ending" in outcome.facts["notes"]


def test_rows_may_be_measured_in_this_process(published, tmp_path, real):
    path = tmp_path / "rows.json"
    one = published.TIERS["matrix"].problems[0]
    broken = runner.Task(published.noisy(one, 0.05, sources="none"), "SOBI", 100)
    rows = []
    runner.run_here([runner.Task(one, "SOBI", 100), broken], rows, path, real=real)
    assert runner.read(path) == sorted(rows, key=lambda row: row["problem"])
    assert rows[0]["pearson"] == scores.measure(one, "SOBI", 100)["pearson"] and rows[0]["peak_mb"] is None
    assert "KeyError" in rows[1]["error"]


def test_the_overview_holds_medians_and_the_worst(published):
    name = published.TIERS["matrix"].problems[0].name

    def row(method, seed, value, **facts):
        return {"problem": name, "method": method, "seed": seed, "pearson": [value, value - 0.1], **facts}

    rows = [row(DEFAULT, seed, 0.9 + seed / 100, notes=["alike"] * (seed == 1)) for seed in range(3)]
    rows += [row("SOBI", 0, 0.7), {"problem": name, "method": ORACLE, "seed": 0, "error": "ValueError: no"}]
    text = published.overview(rows)
    assert f"| {name} | linear | 0.860 | 0.850 | 0.650 |  | alike |" in text
    assert len(text.splitlines()) == 3


def test_the_tables_are_those_of_the_results(published):
    for name in ("published", "published-development"):
        path = ROOT / "research" / "results" / f"{name}.json"
        rows = runner.read(path)
        page = path.with_suffix(".md").read_text(encoding="utf-8")
        assert page.startswith(published.overview(rows))
        assert rows and all((entry["seed"] >= tiers.DEVELOPMENT) == (name != "published") for entry in rows)
