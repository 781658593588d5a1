"""The real code against Algorithm 1 in plain NumPy loops: terms, derivatives, whole steps of the optimiser."""

from __future__ import annotations

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import paper_numpy as paper
import pytest
from quick_compile import quick_compile
from random_models import hyperparameter, random_double_model, random_noise
from short import changed, configuration

from stradiff.config import Dense
from stradiff.model.mixing import MLP
from stradiff.train import step as training_step
from stradiff.train.objective import draw_noise, terms, total
from stradiff.train.step import StepSettings

T, N_SOURCES, N_CHANNELS = 8, 2, 3
STEP = 1e-30  # an imaginary step loses nothing to cancellation, so it can be as small as one likes

SMALL = configuration(
    n_sources=N_SOURCES,
    n_steps=3,
    network=Dense(width=4),
    nu_y=0.3,
    lambda_prior=0.7,
    lambda_diff=1.3,
    lambda_kl=0.2,
)
CASES = {
    "linear": {},
    "linear-cosine": {"schedule": "cosine", "network": Dense(4, 1), "learn_sigma_f": True, "learn_jitter": True},
    "mlp": {"mixing": MLP(width=4, linear_path=True), "network": Dense(4, 3)},
    "mlp-cosine": {"mixing": MLP(width=4, depth=1), "schedule": "cosine"},
}
every_case = pytest.mark.parametrize("options", CASES.values(), ids=CASES)


def plain(model):
    """The parameters as ``paper_numpy`` takes them; leaves may be complex."""
    network, (priors,), mixing = model.branches.network, model.priors.groups, model.mixing
    networks = []
    for k in range(model.n_sources):
        first = np.column_stack([network.weight_in[k], network.weight_level[k]])
        hidden = [(weight[k], bias[k]) for weight, bias in zip(network.weights, network.biases, strict=True)]
        networks.append([(first, network.bias_in[k]), *hidden, (network.weight_out[k], network.bias_out[k])])
    mix = {"matrix": mixing.matrix} if mixing.matrix is not None else {}
    if hasattr(mixing, "weights"):
        mix["layers"] = list(zip(mixing.weights, mixing.biases, strict=True))
    names = ("log_length_scale", "log_sigma_f", "log_jitter")
    start = model.branches.start
    hyper = {name: getattr(priors, name) for name in names}
    return {"mean": start.mean, "log_sigma": start.log_sigma, "networks": networks, "mixing": mix, **hyper}


def reference_terms(model, observed, noise, config):
    plain_noise = [np.asarray(part) for part in (noise.start, noise.tau, noise.diffusion)]
    schedule = (config.diffusion.n_steps, config.diffusion.schedule)
    grid = np.linspace(0, 1, len(observed))
    return paper.terms(plain(model), observed, grid, plain_noise, schedule, config.objective.nu_y)


def reference_total(model, observed, noise, config):
    weights = config.objective
    lambdas = {"prior": weights.lambda_prior, "diffusion": weights.lambda_diff, "kl": weights.lambda_kl}
    return paper.total(reference_terms(model, observed, noise, config), lambdas)


def flat(model):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(model)])


def reference_gradient(model, function):
    """All derivatives of ``function(model)``, one imaginary step after the other, flat."""
    leaves, tree = jax.tree.flatten(model)
    complex_leaves = [np.array(leaf, complex) for leaf in leaves]
    gradient = []
    for leaf in complex_leaves:
        for index in np.ndindex(leaf.shape):
            leaf[index] += 1j * STEP
            gradient.append(function(jax.tree.unflatten(tree, complex_leaves)).imag / STEP)
            leaf[index] = leaf[index].real
    return np.array(gradient)


def without_fixed(gradient, model, config):
    """Zero where a parameter of the prior is fixed."""
    fixed = jax.tree.map(jnp.zeros_like, model)
    for name, learned in (("sigma_f", config.prior[0].learn_sigma_f), ("jitter", config.prior[0].learn_jitter)):
        where = partial(hyperparameter, name)
        fixed = eqx.tree_at(where, fixed, where(fixed) + (not learned))
    return np.where(flat(fixed) > 0, 0.0, gradient)


def recording(n_samples=T, n_channels=N_CHANNELS):
    return np.random.default_rng(2).standard_normal((n_samples, n_channels))


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compile():
        yield


@every_case
def test_every_term_and_every_derivative(options):
    config = changed(SMALL, **options)
    model, observed, noise = random_double_model(config, T, N_CHANNELS), recording(), random_noise(config, T)
    weights = config.objective

    @eqx.filter_jit
    @eqx.filter_value_and_grad(has_aux=True)
    def loss(model):
        every, mse = terms(model, jnp.asarray(observed), None, noise, weights)
        return total(every, weights), (every, mse)

    (value, (every, mse)), gradient = loss(model)
    reference = reference_terms(model, observed, noise, config)
    for name, expected in reference.items():
        np.testing.assert_allclose(getattr(every, name), expected.real, rtol=1e-8 if name == "prior" else 1e-10)
    np.testing.assert_allclose(value, reference_total(model, observed, noise, config).real, rtol=1e-9)
    np.testing.assert_allclose(mse, reference["reconstruction"].real * 2 * weights.nu_y / observed.size, rtol=1e-10)
    assert every.volume == 0

    derivatives = reference_gradient(model, lambda m: reference_total(m, observed, noise, config))
    derivatives = without_fixed(derivatives, model, config)
    np.testing.assert_allclose(flat(gradient), derivatives, rtol=1e-7, atol=1e-9 * np.abs(derivatives).max())


def test_more_sources_and_samples_than_the_table_above():
    config = configuration(n_sources=3, n_steps=6, network=Dense(width=8), nu_y=0.3)
    model, noise = random_double_model(config, 30, 3), random_noise(config, 30)
    observed = recording(30, 3)
    every, _ = eqx.filter_jit(terms)(model, jnp.asarray(observed), None, noise, config.objective)
    for name, expected in reference_terms(model, observed, noise, config).items():
        np.testing.assert_allclose(getattr(every, name), expected.real, rtol=1e-8 if name == "prior" else 1e-10)


def test_the_denoising_gradient_into_the_sources_can_be_stopped():
    config, observed = SMALL, recording()
    model, noise = random_double_model(config, T, N_CHANNELS), random_noise(config, T)

    @eqx.filter_jit
    def derivative_into_starts(moves):
        chosen = config.objective.replace(diffusion_moves_sources=moves)

        def denoising_term(mean):
            moved = eqx.tree_at(lambda m: m.branches.start.mean, model, mean)
            return terms(moved, jnp.asarray(observed), None, noise, chosen)[0].diffusion

        return jax.grad(denoising_term)(model.branches.start.mean)

    assert not np.asarray(derivative_into_starts(False)).any()
    assert np.abs(np.asarray(derivative_into_starts(True))).max() > 1e-3


@pytest.mark.parametrize(
    "options", [{}, {"mixing": MLP(width=4), "halving": 3.0, "lambda_kl": 0.0}], ids=["linear", "mlp"]
)
def test_whole_steps_of_the_optimiser(options):
    """Two steps: the moments, their bias correction and the unit columns all take part."""
    config = changed(SMALL, **options)
    observed, rate = recording(), 1e-2
    state = training_step.init(random_double_model(config, T, N_CHANNELS), jax.random.key(3))
    step = eqx.filter_jit(training_step.step)
    model, memory = state.model, (0 * flat(state.model), 0 * flat(state.model))
    leaves, tree = jax.tree.flatten(model)
    is_prior = flat(eqx.tree_at(lambda m: m.priors, jax.tree.map(jnp.zeros_like, model), replace_fn=_ones)) > 0
    for epoch in range(2):
        noise = draw_noise(model, jax.random.fold_in(state.key, epoch))
        gradient = reference_gradient(model, lambda m, noise=noise: reference_total(m, observed, noise, config))
        gradient = without_fixed(gradient, model, config)
        rates = np.where(is_prior, config.training.prior_rate, 1.0) * rate
        if config.training.halving:
            rates = rates / (1 + epoch / config.training.halving)
        moved, memory = paper.adam(flat(model), gradient, memory, epoch + 1, rates)
        sizes = np.cumsum([leaf.size for leaf in leaves])[:-1]
        arrays = [flat.reshape(leaf.shape) for flat, leaf in zip(np.split(moved, sizes), leaves, strict=True)]
        model = jax.tree.unflatten(tree, list(map(jnp.asarray, arrays)))
        if config.mixing.is_linear:
            columns = paper.normalise_columns(np.asarray(model.mixing.matrix)).real
            model = eqx.tree_at(lambda m: m.mixing.matrix, model, jnp.asarray(columns))
        state, info = step(state, jnp.asarray(observed), None, StepSettings.of(config), rate)
        np.testing.assert_allclose(flat(state.model), flat(model), rtol=1e-7, atol=1e-9)
    assert state.epoch == 2
    assert np.isfinite(info.total)


def _ones(priors):
    return jax.tree.map(jnp.ones_like, priors)
