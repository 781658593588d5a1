"""A fitted model between a recording and its sources: normalised on one side, in the order shown on the other."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from stradiff.config import Configuration
from stradiff.data import Normaliser, check_memory
from stradiff.errors import InputError, NumericsError
from stradiff.model.model import Model
from stradiff.model.numerics import numerics
from stradiff.posterior.channels import in_recording_channels
from stradiff.posterior.laplace import Posterior
from stradiff.posterior.monte_carlo import draws, reconstruct
from stradiff.posterior.readout import Readout
from stradiff.posterior.segments import posterior_draws, segments_of
from stradiff.posterior.unmix import unmix


@dataclasses.dataclass(frozen=True)
class Separation:
    """Maps between the recording and its sources; all arrays NumPy, sources shown as ``Readout`` says."""

    settings: Configuration
    normaliser: Normaliser
    model: Model
    readout: Readout
    regression: np.ndarray
    """(n, m') least squares from normalised observations to raw sources: where ``unmix`` starts its search."""
    seed: int
    mask: np.ndarray | None = None
    """(T, m) True where the recording has a value; None where nothing is missing."""
    times: np.ndarray | None = None
    """(T,) in [0, 1]; None on a regular grid."""
    posterior: Posterior | None = None
    """Laplace's; None where uncertainty is the paper's, by Monte Carlo through the branches."""
    as_trained: bool = False
    """Whether the posterior's noise is equally strong in normalised channels; else in those of the recording."""

    def draws(self, n_draws: int, seed: int) -> np.ndarray:
        """Posterior draws ``(R, T, n)`` (Eq. 33)."""
        check_memory(4.0 * n_draws * self.model.n_samples * self.model.n_sources * 4, f"Drawing {n_draws} samples")
        with numerics():
            if self.posterior is None:
                raw = np.asarray(draws(self.model, jax.random.key(seed), n_draws))
            else:
                keys = jax.random.split(jax.random.key(seed), n_draws)
                model, mask = self._in_channels()
                segments = segments_of(self.model.n_samples, self.settings, self.times)
                raw = posterior_draws(model, self.posterior, mask, self.times, segments, keys)
        return self.readout.show(np.moveaxis(raw, 1, 2))

    def _in_channels(self) -> tuple[Model, np.ndarray | None]:
        """The model as the posterior takes it, and what was seen of its channels."""
        channels, model = in_recording_channels(self.normaliser, self.model, as_trained=self.as_trained)
        return model, None if self.mask is None else channels.forward_mask(self.mask)

    def noise(self) -> np.ndarray:
        """Standard deviation ``(m,)`` of every channel's noise: likeliest under Laplace, else as ``nu_y`` assumes."""
        nu = self.settings.objective.nu_y if self.posterior is None else float(self.posterior.nu)
        return np.sqrt(nu) * np.linalg.norm(self.normaliser.inverse_matrix, axis=0)

    def mix(self, sources: np.ndarray) -> np.ndarray:
        """Shown sources ``(.., n)`` -> recording ``(.., m)`` in its own units (Eq. 36), in their dtype."""
        raw = self.readout.hide(sources.astype(np.float64))
        with numerics():
            mixed = np.asarray(reconstruct(self.model, jnp.asarray(raw.T)), np.float64)
        return _finite(self.normaliser.inverse(mixed), sources.dtype)

    def unmix(self, values: np.ndarray) -> np.ndarray:
        """Recording ``(.., m)`` never seen in training -> sources ``(.., n)``, row by row, in its dtype.

        A row with NaN is explained by the channels that were seen, which must be as many as there are sources.
        """
        mask = ~np.isnan(values)
        check_rows(mask, self.settings.n_sources)
        whole = mask.all(axis=1)
        raw = np.empty((len(values), self.settings.n_sources))
        if whole.any():
            raw[whole] = self._unmixed(values[whole])
        if not whole.all():
            raw[~whole] = self._unmixed(values[~whole], mask[~whole])
        return _finite(self.readout.show(raw), values.dtype)

    def _unmixed(self, values: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        """Raw sources of rows that all have gaps, or have none."""
        values = values.astype(np.float64)
        with numerics():  # in double precision: rows far from those of the fit would leave the range of single
            projection = None
            if mask is not None:
                values, projections = np.where(mask, values, self.normaliser.mean), self.normaliser.forward_mask(mask)
                axes = np.eye(projections.shape[1])
                projection = jnp.asarray(projections[:, :, None] * axes if projections.ndim == 2 else projections)
            observed, start = self.normaliser.forward(values), jnp.asarray(self.regression, jnp.float64)
            return np.asarray(unmix(self.model.mixing, jnp.asarray(observed), start, projection))

    def mixing_matrix(self) -> np.ndarray:
        """``(m, n)`` in the recording's units; linear maps only."""
        if not self.model.mixing.is_linear:
            raise AttributeError("A nonlinear map has no mixing matrix; use inverse_transform to apply the map.")
        raw = self.normaliser.inverse_matrix.T @ np.asarray(self.model.mixing.matrix, np.float64)
        return raw[:, self.readout.order] / self.readout.gain

    def curves(self, n_levels: int = 61, reach: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
        """Levels ``(G,)`` of the linear parts, in their standard deviations from -reach to reach, and the channels
        ``(G, m)`` that the curves of a post-nonlinear map make of them, in the recording's units.
        """
        mixing = self.model.mixing
        if not mixing.is_channelwise:
            raise AttributeError("Only a map such as mixing='post_nonlinear' has a curve for each channel.")
        levels = np.linspace(-reach, reach, n_levels)
        with numerics():
            linear = mixing.matrix @ self.model.at_mean()
            spread, centre = jnp.std(linear, axis=1)[None, :], jnp.mean(linear, axis=1)[None, :]
            channels = jax.vmap(mixing.curves)(centre + jnp.asarray(levels[:, None]) * spread)
        return levels, self.normaliser.inverse(np.asarray(channels, np.float64))

    def length_scales(self) -> np.ndarray:
        """``(n,)``, in units of the record."""
        with numerics():
            return np.asarray(self.model.priors.length_scales)[self.readout.order]

    def priors(self) -> tuple[str, ...]:
        """Name of the prior of every source."""
        return tuple(self.model.priors.names[k] for k in self.readout.order)

    def shown_history(self, history: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The history with its per-source columns in the order of the sources."""
        return {name: rows if rows.ndim == 1 else rows[:, self.readout.order] for name, rows in history.items()}

    def path(self, raw: np.ndarray) -> np.ndarray:
        """A recorded path ``(L + 1, T, n)`` as shown: x_0 of unit variance, with the sign of the sources."""
        shown = raw[:, :, self.readout.order] * np.sign(self.readout.gain).astype(raw.dtype)
        deviation = shown[-1].std(axis=0)
        return shown / np.where(deviation > 0, deviation, 1.0)


def _finite(result: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """A result in the type of the input; values far beyond those of the fit may leave its range."""
    with np.errstate(over="ignore"):
        result = result.astype(dtype)
    if not np.isfinite(result).all():
        raise NumericsError(f"The result leaves the range of {dtype}; give values nearer to those of the fit.")
    return result


def check_rows(mask: np.ndarray, n_sources: int) -> None:
    """Refuse rows ``(T, m)`` in which too few channels are seen to tell the sources."""
    n_seen = mask.sum(axis=1)
    if len(mask) and n_seen.min() < min(n_sources, mask.shape[1]):
        row = int(np.argmin(n_seen >= n_sources))
        raise InputError(
            f"Row {row} (counted from 0) has values of {n_seen[row]} channels, too few for {n_sources} sources; leave "
            "such rows out, or fit them: within a fit, what was seen before and after fills them."
        )


def moment_key(seed: int) -> jax.Array:
    """Of the draws that moments are taken of."""
    return jax.random.fold_in(jax.random.key(seed), 1)
