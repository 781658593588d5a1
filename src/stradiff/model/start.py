"""The start of a source: a trainable Gaussian over trajectories (Eqs. 6-9) and its divergence from N(0, I)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray


class Start(eqx.Module):
    """q(z) = N(mu, diag(sigma^2)) of one source (Eq. 7), parametrised by log sigma.

    Without a sigma the start is the point mu: the model is then fitted by its most probable sources alone.
    """

    mean: Float[Array, " T"]
    log_sigma: Float[Array, " T"] | None

    def sample(self, key: PRNGKeyArray) -> Float[Array, " T"]:
        """z = mu + sigma * noise, noise ~ N(0, I) (Eq. 9)."""
        return self.at(jax.random.normal(key, self.mean.shape, self.mean.dtype))

    def at(self, noise: Float[Array, " T"]) -> Float[Array, " T"]:
        """The z of this ``noise`` (Eq. 9)."""
        return self.mean if self.log_sigma is None else self.mean + jnp.exp(self.log_sigma) * noise

    def kl(self) -> Float[Array, ""]:
        """KL(q(z) || N(0, I)) = 1/2 sum_t [mu_t^2 + sigma_t^2 - 1 - log sigma_t^2] (Eqs. 28-30); zero for a point."""
        return jnp.sum(self.kl_by_time())

    def kl_by_time(self) -> Float[Array, " T"]:
        """The terms of the divergence at every time."""
        if self.log_sigma is None:
            return jnp.zeros_like(self.mean)
        log_variance = 2.0 * self.log_sigma
        return 0.5 * (self.mean**2 + jnp.exp(log_variance) - 1.0 - log_variance)
