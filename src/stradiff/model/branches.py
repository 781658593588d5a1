"""One generator per source: a Gaussian start and a reverse diffusion of its own (Eqs. 2-4, 16, 25, 26)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from stradiff.model.networks import Network
from stradiff.model.reverse import generate, reverse_path
from stradiff.model.schedule import Schedule
from stradiff.model.start import Start


class Branch(eqx.Module):
    """f_theta of one source; the model holds n of them, stacked along a leading axis."""

    start: Start
    network: Network
    schedule: Schedule = eqx.field(static=True)

    def sample(self, key: PRNGKeyArray) -> Float[Array, " T"]:
        """s = f_theta(z), z ~ q(z) (Eqs. 9, 15, 33)."""
        return generate(self.network, self.start.sample(key), self.schedule)

    def at(self, noise: Float[Array, " T"]) -> Float[Array, " T"]:
        """The source that standard-normal ``noise`` is mapped to."""
        return generate(self.network, self.start.at(noise), self.schedule)

    def path(self, noise: Float[Array, " T"]) -> Float[Array, "states T"]:
        """x_L .. x_0 from the start that ``noise`` is mapped to."""
        return reverse_path(self.network, self.start.at(noise), self.schedule)

    def denoising_loss(self, source: Float[Array, " T"], tau: Array, noise: Float[Array, " T"]) -> Float[Array, ""]:
        """|eps_theta(x_tau, tau / L) - noise|^2 / T at x_tau = sqrt(abar) s + sqrt(1 - abar) noise (Eqs. 25, 26)."""
        alpha_bar = jnp.asarray(self.schedule.alpha_bar, source.dtype)[tau]
        noisy = jnp.sqrt(alpha_bar) * source + jnp.sqrt(1.0 - alpha_bar) * noise
        level = tau.astype(source.dtype) / self.schedule.length
        return jnp.mean((self.network(noisy, level) - noise) ** 2)

    def sample_tau(self, key: PRNGKeyArray) -> Array:
        """A noise level, uniform on 1 .. L (Eq. 25)."""
        return jax.random.randint(key, (), 1, self.schedule.length + 1)
