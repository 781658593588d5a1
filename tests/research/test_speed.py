"""The benchmark of speed: all implementations compute the same, and the printed numbers are right."""

from __future__ import annotations

import importlib.util
import json
import time
import tomllib
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import speed
from pages import NOT_RUN
from quick_compile import quick_compile
from short import changed
from timing import fits, machine, one_process, parts, plain, problem, roofline, rounds, tables

from stradiff.config import Configuration, Diffusion
from stradiff.model import Model, numerics
from stradiff.model.diffusion.networks import Dense
from stradiff.train import step as training_step
from stradiff.train.objective import Noise, draw_noise, terms
from stradiff.train.step import StepSettings

ROOT = Path(__file__).parents[2]
T = 120  # samples: enough for the fast prior


class Case(NamedTuple):
    config: Configuration
    observed: np.ndarray
    model: Model
    noise: Noise
    terms: dict[str, float]


def terms_of(model, observed, noise, config):
    with quick_compile():
        compiled = jax.jit(terms, static_argnums=4)
        every, _ = compiled(model, jnp.asarray(observed), None, noise, config.objective)
    return {name: float(value) for name, value in every._asdict().items() if name != "volume"}


def model_of(observed, config):
    with quick_compile():
        return problem.first_model(observed, config, jax.random.key(1))


@pytest.fixture(scope="module", params=problem.MAPS)
def case(request):
    """Configuration, observations, a model of which no term is near zero, noise for an epoch, and its terms."""
    config = problem.paper_settings(request.param, diffusion=Diffusion(start_sigma=0.3, start_spread=1.0))
    observed = problem.normalised(request.param)[:T].astype(np.float32)
    with numerics():
        model = model_of(observed, config)
        noise = draw_noise(model, jax.random.key(2))
        return Case(config, observed, model, noise, terms_of(model, observed, noise, config))


@pytest.fixture
def transcribed(case):
    """The transcription with the model's parameters, and the noise as it takes it."""
    torch = pytest.importorskip("torch")
    from timing import transcription

    config, observed, model, noise, _ = case
    mine = transcription.Transcription(observed, config)
    network, mixing, (priors,) = model.branches.network, model.mixing, model.priors.groups
    given = {"mean": model.branches.start.mean, "log_sigma": model.branches.start.log_sigma}
    given["log_length_scale"] = priors.log_length_scale
    first = jnp.concatenate([network.weight_in, network.weight_level[:, :, None]], axis=2)
    weights = [first, *network.weights, network.weight_out]
    biases = [network.bias_in, *network.biases, network.bias_out]
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        for k in range(model.n_sources):
            given |= {f"networks.{k}.{2 * layer}.weight": weight[k], f"networks.{k}.{2 * layer}.bias": bias[k]}
    if config.mixing.is_linear:
        given["mixing.weight"] = mixing.matrix
    else:
        for layer, (weight, bias) in enumerate(zip(mixing.weights, mixing.biases, strict=True)):
            given |= {f"mixing.{2 * layer}.weight": weight, f"mixing.{2 * layer}.bias": bias}
    mine.load_state_dict({name: torch.tensor(np.asarray(value)) for name, value in given.items()})
    return mine, transcription.Draws(*(torch.tensor(np.asarray(part)) for part in noise[:3]))


def test_the_transcription_computes_the_objective_of_preset_paper(case, transcribed):
    mine, draws = transcribed
    computed = {name: value.item() for name, value in mine.terms(draws).items()}
    assert computed == pytest.approx(case.terms, rel=1e-5)
    assert min(abs(value) for value in computed.values()) > 0.1, "a term that is zero compares nothing"


@pytest.mark.parametrize("case", ["linear"], indirect=True)
def test_the_transcription_takes_the_same_step(case, transcribed):
    torch = pytest.importorskip("torch")
    from timing import transcription

    config, observed, model, *_ = case
    mine, _ = transcribed
    with numerics(), quick_compile():
        state = training_step.init(model, jax.random.key(3))
        noise = draw_noise(model, jax.random.fold_in(state.key, state.epoch))
        step, rate = jax.jit(training_step.step, static_argnums=3), config.training.learning_rate
        state, _ = step(state, jnp.asarray(observed), None, StepSettings.of(config), rate)
    after = state.model
    draws = transcription.Draws(*(torch.tensor(np.asarray(part)) for part in noise[:3]))
    transcription.epoch(mine, transcription.optimiser_of(mine), draws)
    compared = {
        "mean": after.branches.start.mean,
        "log_sigma": after.branches.start.log_sigma,
        "log_length_scale": after.priors.groups[0].log_length_scale,
        "mixing.weight" if config.mixing.is_linear else "mixing.0.weight": jax.tree.leaves(after.mixing)[0],
    }
    # Adam's first step is the rate times the sign of the derivative, which rounding turns where that is nearly zero.
    for name, value in compared.items():
        moved = np.abs(mine.state_dict()[name].numpy() - np.asarray(value)) < 1e-2 * rate
        assert moved.mean() > 0.99, name


def test_the_library_without_its_optimisations_computes_the_same(case):
    config = changed(case.config, solver="dense")
    with jax.enable_x64(True):
        wide = plain.plain(model_of(case.observed, config))
        assert {leaf.dtype for leaf in jax.tree.leaves(wide)} == {np.dtype(np.float64)}
        assert terms_of(wide, case.observed, case.noise, config) == pytest.approx(case.terms, rel=1e-5)


# --- sums ----------------------------------------------------------------------------------------------------


def fit_row(mcc, situation=fits.SITUATIONS[0], seconds=None, name="leaky_relu"):
    """A fit of ``len(mcc)`` looks; two seconds for the start, a hundredth for an epoch, unless ``seconds`` says so."""
    looks = [[100 * (k + 1), 2.0 + 1.0 * (k + 1), value] for k, value in enumerate(mcc)]
    if seconds is not None:
        looks = [[epoch, when, value] for (epoch, _, value), when in zip(looks, seconds, strict=True)]
    done = {"epochs": looks[-1][0], "seconds": looks[-1][1] + 3.0, "mcc": mcc[-1], "import_seconds": 1.5}
    done |= {"programs": {"traced": 0.5, "lowered": 0.3, "compiled": 0.9}}
    return {"problem": name, "situation": situation, "files_kept": 2, "looks": looks, **done}


@pytest.mark.parametrize(
    ("mcc", "epoch"),
    [
        ([0.9, 0.95, 0.98, 0.99, 0.991], 400),
        ([0.9, 0.99, 0.98, 0.99, 0.991], 400),  # what falls back does not count
        ([0.99, 0.991, 0.992], 100),
        ([0.5, 0.6, 0.9], 300),
        ([0.999, 0.98, 0.97], 300),  # nor does what is better than the end
    ],
)
def test_good_is_what_stays_near_the_end(mcc, epoch):
    assert fits.good_from(fit_row(mcc)) == (epoch, 2.0 + epoch / 100)


def test_training_begins_a_chunk_before_the_first_look():
    row = fit_row([0.9] * 4, seconds=[7.0, 8.0, 9.5, 10.5])
    assert fits.per_epoch(row) == pytest.approx(0.01)
    assert fits.begins(row) == pytest.approx(6.0)


def test_ratios_are_those_of_a_round():
    rows = [round_row(8.0, 4.0, 2.0), round_row(9.0, 6.0, 1.0), round_row(30.0, 30.0, 10.0)]
    np.testing.assert_allclose(tables.ratios(rounds.TRANSCRIPTION, rows), [4, 9, 3])
    lines = tables.epochs(rows).splitlines()
    assert f"| {rounds.TRANSCRIPTION} | 9,000 | 8,000–30,000 | 0.111 | 25.0 h | 4 | 3–9 |" in lines
    assert f"| {rounds.LIBRARY} | 2,000 | 1,000–10,000 | 0.5 | 5.6 h | 1 | 1–1 |" in lines


def round_row(*seconds, name="linear"):
    return {"problem": name, "epochs": rounds.EPOCHS, "seconds": dict(zip(rounds.MODULES, seconds, strict=True))}


# --- the least an epoch must do ------------------------------------------------------------------------------


def test_the_least_work_is_that_of_the_account():
    diffusion = Diffusion(n_steps=1, network=Dense(width=2, depth=2))
    config = problem.paper_settings("linear", diffusion=diffusion)
    # One step through all: 2 products of 2 x 10, one of 2 x 2; once more for denoising; map 3 x 4 at 10 times.
    branch = 2 * (2 * 2 * 10 * 2 + 2 * 2 * 2)
    assert roofline.least(config, 10, 4, 100) == (3 * (3 * branch + 2 * 10 * 12) + 14 * 100, 2400)
    many = changed(config, n_steps=1000)
    in_code = 10 * 8 + 2 * 40 + 1000 * 2 * 8
    branch = in_code + 2 * 40 + 8
    assert roofline.least(many, 10, 4, 100).flops == 3 * (3 * branch + 2 * 10 * 12) + 14 * 100


def test_xla_counts_more_than_the_least_and_not_much_more():
    """Loops count once there, but the products that the library makes outside of them are already more."""
    config, values = problem.paper_settings("linear"), problem.normalised("linear")
    with numerics(), quick_compile():
        state = training_step.init(problem.first_model(values, config, jax.random.key(0)), jax.random.key(0))
        counted = roofline.xla_count(state, jnp.asarray(values, jnp.float32), config)
    least = roofline.least(config, *values.shape, roofline.count(state.model))
    assert least.flops < counted.flops < 3 * least.flops
    assert least.bytes < counted.bytes


def test_the_longer_of_two_bounds_counts():
    row = {"least": {"bytes": 1e9, "flops": 4e9}, "bandwidth": 1e9, "peak": 2e9, "epoch": 8.0}
    assert roofline.bound(row) == {"bytes": 1.0, "flops": 2.0}
    assert roofline.share(row) == 0.25


def test_a_machine_has_speeds():
    assert machine.bandwidth(1e5, 1) > 0 and machine.peak(side=64, runs=1) > 0
    assert machine.cores() >= 1 and machine.processor()


# --- processes -----------------------------------------------------------------------------------------------


def test_a_worker_answers_and_its_death_is_noticed(tmp_path, monkeypatch):
    code = "def prepare(problem):\n    def seconds_of(n):\n        return 2.0 * n / (n < 9)\n    return seconds_of\n"
    (tmp_path / "made_up_rival.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with rounds.worker("made_up_rival", "linear") as ask:
        assert ask(3) == 6.0 and ask(4) == 8.0
        with pytest.raises(RuntimeError, match="made_up_rival ended"):
            ask(9)


def test_rounds_take_turns(monkeypatch):
    asked = []

    @contextmanager
    def worker(module, name):
        yield lambda n_epochs: asked.append((module, n_epochs)) or 2.0 * n_epochs

    monkeypatch.setattr(rounds, "worker", worker)
    (first, second) = rounds.rounds("linear", 2, share=0.1)
    assert first == second and set(first["seconds"].values()) == {2.0}
    assert [module for module, _ in asked] == 3 * list(rounds.MODULES.values())
    assert [count for _, count in asked[3:6]] == list(first["epochs"].values()) == [1, 1, 50]


def test_looking_costs_nothing_on_the_clock():
    class Report:
        epoch = 100

        def sources(self):
            time.sleep(0.3)
            return np.zeros((3, 1))

    looks = one_process.Looks({})
    looks(Report())
    looks(Report())
    assert [epoch for epoch, _, _ in looks.kept] == [100, 100]
    assert looks.seconds() < 0.3 and looks.kept[1][1] < 0.3


def test_programs_made_before_the_first_look_are_timed_by_stage():
    class Report:
        epoch = 100

        def sources(self):
            return jax.jit(lambda x: x * 2.0 + 1.0)(jnp.ones((3, 1)))

    with one_process.timed_stages() as stages:
        earlier = one_process.Looks(stages)
        jax.jit(lambda x: x * 3.0 + 1.0)(jnp.ones(7)).block_until_ready()
        looks = one_process.Looks(stages)
        looks(Report())
        earlier(Report())
    assert set(looks.programs) == set(one_process.STAGES.values())
    assert all(seconds == 0.0 for seconds in looks.programs.values()), "neither what was before it nor the look itself"
    assert all(seconds > 0.0 for seconds in earlier.programs.values())


def test_every_part_of_an_epoch_is_timed():
    with quick_compile():
        row = parts.measured("linear", turns=2, runs=1)
    assert {"Adam", parts.EPOCH} < set(row["seconds"]) and len(row["seconds"]) == 6
    assert all(seconds > 0 for seconds in row["seconds"].values())


# --- the page ------------------------------------------------------------------------------------------------


ABACUS = {"processor": "Abacus", "cores": 2, "versions": {"jax": "1.0"}, "load_before": 0.0}


@pytest.fixture
def made_up():
    return {
        "machine": {"fits": ABACUS},
        "epochs": [round_row(8.0, 4.0, 2.0)],
        "fits": [fit_row([0.9, 0.98, 0.981], situation) for situation in fits.SITUATIONS],
        "roofline": [
            {
                **{"problem": "linear", "parameters": 1234, "held": 2e6, "epoch": 8e-3},
                **{"bandwidth": 1e9, "bandwidth_far": 5e8, "peak": 2e9},
                **{"least": {"bytes": 1e6, "flops": 4e6}, "xla": {"bytes": 3e6, "flops": 5e6}},
            }
        ],
        "parts": [{"problem": "linear", "seconds": {"Adam": 1e-3, parts.EPOCH: 5e-3}}],
    }


def test_tables_say_what_was_measured(made_up):
    text = tables.page(made_up)
    assert "Abacus" in text and "jax 1.0" in text
    assert "| first fit on a machine | 1.5 | 2.0 | 4.0 | 200 | 5.0 | 300 | 8.0 | 0.9810 |" in text
    assert "| again in the same process |  | 2.0 |" in text
    assert "| in a new process | 2.0 | 0.5 | 0.3 | 0.9 | 0.3 |" in text
    assert "| share of the speed that the bound allows | 25% |" in text
    assert tables.page({}).count(NOT_RUN) == 5
    assert text.endswith("| the whole epoch | 5.00 |\n| Adam | 1.00 |")
    nothing_kept = [{**row, "files_kept": 0} for row in made_up["fits"]]
    assert "would not take them back" in tables.whole_fits(nothing_kept)


def test_every_machine_is_named():
    abacus, other = tables.machines({"fits": ABACUS}), {**ABACUS, "processor": "Slide rule"}
    assert abacus == "Measured on 2 cores of this processor: Abacus; jax 1.0."
    text = tables.machines({"epochs": ABACUS, "fits": other, "parts": ABACUS})
    assert "* `epochs`, `parts`: 2 cores of this processor: Abacus" in text and "* `fits`: 2 cores" in text


def test_pictures_and_tables_are_put_into_the_page(made_up, tmp_path):
    (tmp_path / "images").mkdir()
    parts = "".join(f"<!-- speed: {name} -->\nold\n<!-- end of speed -->\n" for name in made_up)
    (tmp_path / "speed.md").write_text(f"Before.\n{parts}<!-- scale: other -->\nkept\n<!-- end of scale -->\n")
    speed.SPEED.publish(made_up, tmp_path)
    page = (tmp_path / "speed.md").read_text(encoding="utf-8")
    assert page.startswith("Before.") and "old" not in page and "kept" in page
    assert speed.SPEED.filled(page, made_up) == page
    for name in speed.SPEED.pictures:
        assert f"images/speed-{name}.png" in page and (tmp_path / "images" / f"speed-{name}.png").stat().st_size


# --- running -------------------------------------------------------------------------------------------------


@pytest.fixture
def program(monkeypatch, tmp_path):
    """The program, run on ``results.json``, with measurements that take no time; and what it measured."""
    done = []

    def epochs(name, n_rounds, share):
        done.extend(["round"] * n_rounds)
        return iter([round_row(8.0, 4.0, 2.0, name=name)] * n_rounds)

    def whole(name, max_epochs):
        done.append("fits")
        return [fit_row([0.9, 0.98], situation, name=name) for situation in fits.SITUATIONS]

    monkeypatch.setattr(rounds, "check_installed", lambda: None)
    monkeypatch.setattr(rounds, "rounds", epochs)
    monkeypatch.setattr(fits, "fits", whole)

    def run(*words):
        done.clear()
        path = str(tmp_path / "results.json")
        monkeypatch.setattr("sys.argv", ["speed.py", "--problems", "linear", "--results", path, *words])
        speed.main()
        return done, json.loads((tmp_path / "results.json").read_text())

    return run


def test_a_run_is_kept_and_resumed(program, capsys):
    words = ["--parts", "epochs", "fits"]
    done, results = program(*words, "--rounds", "2")
    assert done == ["round", "round", "fits"] and len(results["fits"]) == 3
    assert program(*words, "--rounds", "3")[0] == ["round"]
    done, results = program(*words, "--rounds", "1", "--again")
    assert done == ["round", "fits"] and len(results["epochs"]) == 1 and len(results["fits"]) == 3
    assert program("--print")[0] == []
    assert "first fit on a machine" in capsys.readouterr().out


def test_a_part_is_of_one_machine(program, monkeypatch):
    program("--parts", "fits")
    monkeypatch.setattr(machine, "processor", lambda: "another")
    with pytest.raises(SystemExit, match="another"):
        program("--parts", "fits")
    machines = program("--parts", "epochs")[1]["machine"]
    assert machines["epochs"]["processor"] == "another" != machines["fits"]["processor"]
    again = program("--parts", "fits", "--again")[1]["machine"]
    assert {one["processor"] for one in again.values()} == {"another"}


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"pip install '\.\[research\]'"):
        rounds.check_installed()
    (extra,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["research"]
    assert extra.startswith("torch")
