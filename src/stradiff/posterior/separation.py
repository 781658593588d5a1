"""A fitted model with everything around it: normalised in, readout out. What the estimator and a saved file hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stradiff.config import AUTO, Settings
from stradiff.data import Normaliser, check_memory, fit_normaliser, interpolated
from stradiff.data.checks import as_float_array
from stradiff.data.noise_floor import noise_floor
from stradiff.errors import InputError, NumericsError
from stradiff.initialise import initialise
from stradiff.initialise.priors import priors_of
from stradiff.model.model import Model
from stradiff.model.numerics import numerics
from stradiff.posterior.channels import in_recording_channels, noise_as_trained
from stradiff.posterior.laplace import Posterior
from stradiff.posterior.memory import memory_estimate, require_memory
from stradiff.posterior.monte_carlo import draws, moments, reconstruct
from stradiff.posterior.readout import Readout, choose_readout
from stradiff.posterior.segments import (
    Segments,
    find_posterior,
    posterior_deviation,
    posterior_draws,
    segments_of,
)
from stradiff.posterior.unmix import unmix
from stradiff.train import Callback, TrainingResult, train
from stradiff.train.checkpoint import Checkpoint
from stradiff.train.sharding import devices_for


@dataclasses.dataclass(frozen=True)
class Separation:
    """Maps between the recording and its sources; all arrays NumPy, sources shown as ``Readout`` says."""

    settings: Settings
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

    def moments(self, n_draws: int) -> tuple[np.ndarray, np.ndarray]:
        """Posterior mean and standard deviation ``(T, n)`` (Eqs. 34, 35), of the draws the readout was chosen by."""
        with numerics():
            if self.posterior is None:
                mean, spread = map(np.asarray, moments(self.model, moment_key(self.seed), n_draws))
            else:
                keys = jax.random.split(moment_key(self.seed), n_draws)
                mean = np.asarray(self.posterior.mode)
                model, mask = self._in_channels()
                spread = posterior_deviation(model, self.posterior, mask, self.times, self._segments(), keys)
        return self.readout.show(mean.T), self.readout.spread(spread.T)

    def draws(self, n_draws: int, seed: int) -> np.ndarray:
        """Posterior draws ``(R, T, n)`` (Eq. 33)."""
        check_memory(4.0 * n_draws * self.model.n_samples * self.model.n_sources * 4, f"Drawing {n_draws} samples")
        with numerics():
            if self.posterior is None:
                raw = np.asarray(draws(self.model, jax.random.key(seed), n_draws))
            else:
                keys = jax.random.split(jax.random.key(seed), n_draws)
                model, mask = self._in_channels()
                raw = posterior_draws(model, self.posterior, mask, self.times, self._segments(), keys)
        return self.readout.show(np.moveaxis(raw, 1, 2))

    def _in_channels(self) -> tuple[Model, np.ndarray | None]:
        """The model as the posterior takes it, and what was seen of its channels."""
        channels, model = in_recording_channels(self.normaliser, self.model, as_trained=self.as_trained)
        return model, None if self.mask is None else channels.forward_mask(self.mask)

    def _segments(self) -> Segments:
        """The segments in which the posterior is computed."""
        return segments_of(self.model.n_samples, self.settings, self.times)

    def noise(self) -> np.ndarray:
        """Standard deviation ``(m,)`` of every channel's noise: likeliest under Laplace, else as ``nu_y`` assumes."""
        nu = self.settings.nu_y if self.posterior is None else float(self.posterior.nu)
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
            there = None
            if mask is not None:
                values, projections = np.where(mask, values, self.normaliser.mean), self.normaliser.forward_mask(mask)
                axes = np.eye(projections.shape[1])
                there = jnp.asarray(projections[:, :, None] * axes if projections.ndim == 2 else projections)
            observed, start = self.normaliser.forward(values), jnp.asarray(self.regression, jnp.float64)
            return np.asarray(unmix(self.model.mixing, jnp.asarray(observed), start, there))

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


def separate(
    values: np.ndarray,
    times: np.ndarray | None,
    settings: Settings,
    *,
    mask: np.ndarray | None = None,
    guess: np.ndarray | None = None,
    seed: int = 0,
    n_draws: int = 100,
    record: tuple[int, ...] | str = "auto",
    callbacks: Sequence[Callback] = (),
    verbose: bool | str = False,
    checkpoint: Checkpoint | None = None,
) -> tuple[Separation, TrainingResult]:
    """Normalise, fit, and fix how the answer is read: order, sign and scale.

    ``values (T, m)`` checked, ``times`` normalised to [0, 1] or None for a regular grid. What stands among the values
    where nothing was ``mask`` does not matter: there the warm start sees straight lines, and training sees nothing.
    """
    needed = memory_estimate(len(values), values.shape[1], settings, regular=times is None, gaps=mask is not None)
    at_once = require_memory(needed, f"Fitting {len(values)} samples", verbose)
    gappy = values if mask is None else np.where(mask, values, np.nan)
    filled = interpolated(gappy, mask, times)
    normaliser = normaliser_for(gappy, filled, settings)
    observed = normaliser.forward(filled).astype(np.float32)
    channel_mask = None if mask is None else normaliser.forward_mask(mask)
    with numerics():
        if settings.uncertainty == "laplace" and times is not None and settings.prior != AUTO:
            # Refused before the fit, not after it.
            eqx.filter_eval_shape(priors_of(settings, len(values)).covariances, jnp.asarray(times))
        devices_for(settings.n_devices)  # refused before the initialisation, not after it
        start = initialise(observed, times, settings, mask=channel_mask, guess=guess, seed=seed)
        settings = start.settings
        result = train(
            start, record=record, callbacks=callbacks, verbose=verbose, checkpoint=checkpoint, at_once=at_once
        )
        posterior, as_trained = None, False
        if settings.uncertainty == "laplace":
            posterior, as_trained = _posterior(result.model, normaliser, filled, mask, times, settings)
            mean = np.asarray(posterior.mode).T
        else:
            mean = np.asarray(moments(result.model, moment_key(seed), n_draws)[0]).T
    check_finite_sources(mean)
    regression = np.linalg.lstsq(observed, mean, rcond=None)[0].T
    # The rule names channels of the recording, which whitened ones are not.
    readout = choose_readout(mean, fit_normaliser(gappy, "standardise").forward(filled))
    kept = (settings, normaliser, result.model, readout, regression, seed, mask, times, posterior, as_trained)
    return Separation(*kept), result


def _posterior(
    model: Model,
    normaliser: Normaliser,
    filled: np.ndarray,
    mask: np.ndarray | None,
    times: np.ndarray | None,
    settings: Settings,
) -> tuple[Posterior, bool]:
    """Laplace's posterior, and whether its noise is as trained."""
    as_trained = mask is None and noise_as_trained(normaliser, model, filled, times, settings)
    channels, model = in_recording_channels(normaliser, model, as_trained=as_trained)
    rows, there = channels.forward(filled).astype(np.float32), None if mask is None else channels.forward_mask(mask)
    return find_posterior(model, rows, there, times, segments_of(len(rows), settings, times)), as_trained


def _finite(result: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """A result in the type of the input; values far beyond those of the fit may leave its range."""
    with np.errstate(over="ignore"):
        result = result.astype(dtype)
    if not np.isfinite(result).all():
        raise NumericsError(f"The result leaves the range of {dtype}; give values nearer to those of the fit.")
    return result


def check_finite_sources(mean: np.ndarray) -> None:
    """Refuse the sources of a fit that left the range of numbers."""
    if not np.isfinite(mean).all():
        raise NumericsError("The fit left no finite sources; lower learning_rate, or raise nu_y.")


def check_rows(mask: np.ndarray, n_sources: int) -> None:
    """Refuse rows ``(T, m)`` in which too few channels are seen to tell the sources."""
    n_seen = mask.sum(axis=1)
    if len(mask) and n_seen.min() < min(n_sources, mask.shape[1]):
        row = int(np.argmin(n_seen >= n_sources))
        raise InputError(
            f"Row {row} (counted from 0) has values of {n_seen[row]} channels, too few for {n_sources} sources; leave "
            "such rows out, or fit them: within a fit, what was seen before and after fills them."
        )


def check_guess(guess: Any, n_samples: int, n_sources: int) -> np.ndarray:
    """Sources to start from: ``(T, n)``, finite, none constant."""
    guess = as_float_array(guess, what="sources in init").astype(np.float64)
    if guess.shape != (n_samples, n_sources):
        raise InputError(f"init has shape {guess.shape}; the sources to start from must be {(n_samples, n_sources)}.")
    if not np.isfinite(guess).all() or (guess.std(axis=0) == 0).any():
        raise InputError("init must hold finite sources, none of them constant; start from init='sobi' otherwise.")
    return guess


def normaliser_for(
    gappy: np.ndarray, filled: np.ndarray, settings: Settings, lengths: Sequence[int] | None = None
) -> Normaliser:
    """What ``settings.normalise`` asks for; "auto": white, as far as noise allows, where every direction is a source's.

    Elsewhere whitening would amplify noise, and so it would in weak directions: these it amplifies only until the white
    noise that the recording leaves room for is nu_y, which training takes every normalised channel to hold. Never white
    where a map bends channel by channel: whitening would mix the channels first. ``lengths`` of the recordings that
    stand end to end, where they are several: where two meet, a jump would pass for noise.
    """
    if settings.normalise != "auto":
        return fit_normaliser(gappy, settings.normalise)
    if settings.mixing_spec.is_channelwise or filled.shape[1] > settings.n_sources:
        return fit_normaliser(gappy, "standardise")
    if lengths is None:
        floor = noise_floor(filled)
    else:
        each = np.split(filled, np.cumsum(lengths)[:-1])
        floor = float(np.average([noise_floor(one) for one in each], weights=lengths))
    return fit_normaliser(gappy, "whiten", floor=min(1.0, floor / settings.nu_y))


def moment_key(seed: int) -> jax.Array:
    """Of the draws that moments are taken of."""
    return jax.random.fold_in(jax.random.key(seed), 1)
