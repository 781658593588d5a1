"""iVAE: variational autoencoders and nonlinear ICA (Khemakhem, Kingma, Monti & Hyvärinen, AISTATS 2020)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from contest.peers.networks import MLP, leaky_relu, train


class Model(eqx.Module):
    """The three densities of the paper, all Gaussian, with networks for their parameters.

    ``p(z | u) = N(0, diag l(u))``, ``p(y | z) = N(f(z), v I)``, ``q(z | y, u) = N(g(y, u), diag w(y, u))``, with
    ``u`` the number of the time segment, one-hot.
    """

    log_variance_of_segment: MLP
    decoder: MLP
    encoder_mean: MLP
    encoder_log_variance: MLP

    def __init__(self, n_sources: int, n_channels: int, n_segments: int, width: int, depth: int, key: jax.Array):
        hidden = [width] * (depth - 1)
        keys = jax.random.split(key, 4)
        self.log_variance_of_segment = MLP([n_segments, *hidden, n_sources], leaky_relu, key=keys[0])
        self.decoder = MLP([n_sources, *hidden, n_channels], leaky_relu, key=keys[1])
        seen = [n_channels + n_segments, *hidden, n_sources]
        self.encoder_mean = MLP(seen, leaky_relu, key=keys[2])
        self.encoder_log_variance = MLP(seen, leaky_relu, key=keys[3])

    def elbo(self, y: jax.Array, u: jax.Array, noise_variance: float, key: jax.Array) -> jax.Array:
        """``E_q[log p(y | z) + log p(z | u) - log q(z | y, u)]``, mean over the batch, by one draw of ``z``."""
        yu = jnp.concatenate([y, u], axis=1)
        mean, log_variance = self.encoder_mean(yu), self.encoder_log_variance(yu)
        z = mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape)
        reconstruction = log_normal(y, self.decoder(z), jnp.log(noise_variance))
        prior = log_normal(z, 0.0, self.log_variance_of_segment(u))
        return (reconstruction + prior - log_normal(z, mean, log_variance)).mean()


def log_normal(x: jax.Array, mean: jax.Array | float, log_variance: jax.Array) -> jax.Array:
    """Log density of independent normal variables, summed over columns: ``(batch,)``."""
    terms = jnp.log(2 * jnp.pi) + log_variance + (x - mean) ** 2 / jnp.exp(log_variance)
    return -0.5 * terms.sum(axis=1)


class IVAE:
    """Nonlinear sources that differ in how their variance changes from one time segment to the next.

    Networks, batch, rate and the fixed noise variance are those of the authors' code, and about as many steps as in
    their experiments. Channels are brought to variance 1.

    Parameters
    ----------
    n_components : int
    n_segments : int
        Equal pieces of the recording, at least 10 samples each.
    width, depth, batch, steps, learning_rate, noise_variance
        Hidden units, dense layers, samples a step, steps, Adam's rate at the start (it falls to a hundredth along a
        cosine, where the paper waits for a plateau), ``v``.
    random_state : int
    """

    def __init__(
        self,
        n_components: int,
        *,
        n_segments: int = 40,
        width: int = 50,
        depth: int = 3,
        batch: int = 64,
        steps: int = 10_000,
        learning_rate: float = 1e-3,
        noise_variance: float = 0.01,
        random_state: int = 0,
    ) -> None:
        self.n_components, self.n_segments = n_components, n_segments
        self.width, self.depth, self.batch, self.steps = width, depth, batch, steps
        self.learning_rate, self.noise_variance, self.random_state = learning_rate, noise_variance, random_state

    def fit_transform(self, Y: np.ndarray) -> np.ndarray:
        """Sources ``(T, n)``, the means of ``q(z | y, u)``; sets ``reconstruction_ (T, m)``, what they decode to."""
        mean, spread = Y.mean(axis=0), Y.std(axis=0)
        y = jnp.asarray((Y - mean) / spread, dtype=jnp.float32)
        segments = min(self.n_segments, max(2, len(Y) // 10))
        u = jax.nn.one_hot(np.arange(len(Y)) * segments // len(Y), segments)
        begin, follow = jax.random.split(jax.random.key(self.random_state))
        model = Model(self.n_components, Y.shape[1], segments, self.width, self.depth, begin)
        model = train(
            model,
            lambda model, data, rows, key: -model.elbo(data[0][rows], data[1][rows], self.noise_variance, key),
            (y, u),
            optax.adam(optax.cosine_decay_schedule(self.learning_rate, self.steps, alpha=0.01)),
            steps=self.steps,
            batch=self.batch,
            n_samples=len(Y),
            seed=int(jax.random.randint(follow, (), 0, 2**31 - 1)),
        )
        sources = model.encoder_mean(jnp.concatenate([y, u], axis=1))
        self.reconstruction_ = np.asarray(model.decoder(sources), dtype=float) * spread + mean
        return np.asarray(sources, dtype=float)
