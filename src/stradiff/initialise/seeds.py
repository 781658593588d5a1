"""Random numbers of a fit and of its restarts, all of one seed."""

from __future__ import annotations

import jax
import numpy as np
from jaxtyping import Array, Key


def fit_keys(seed: int) -> Key[Array, "3"]:
    """Three keys of a fit: for its model, its training, and the noise of its recorded paths."""
    return jax.random.split(jax.random.key(seed), 3)


def restart_seed(seed: int, number: int) -> int:
    """The seed of restart ``number``, from 0; that of the first is the fit's own."""
    return seed if number == 0 else int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)
