"""StrADiff: the scikit-learn face. It checks, calls and stores; the work is done in the folders it imports."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from stradiff import storage
from stradiff.errors import InputError, OptionError
from stradiff.evaluation.diagnostics import cautions
from stradiff.fitting import Callback, Fit, Settings
from stradiff.inference import Separation, separate
from stradiff.inference.separation import check_guess
from stradiff.observations import check_observations, check_rank
from stradiff.observations.times import time_axis
from stradiff.presets import resolve
from stradiff.provenance import describe

PLAIN = ("n_components", "preset", "init", "n_draws", "record_epochs", "callbacks", "random_state", "verbose")


class StrADiff(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Separate a recording into sources with temporal structure, with bands that say how sure the answer is.

    Every source has a Gaussian start, a reverse diffusion and an adaptive prior of its own; a mixing map turns the
    sources into the recording; all are fitted together (Wei, StrADiff; equation numbers below are that paper's).
    A parameter left at None takes the value of ``preset``, listed with its reason in ``stradiff.fitting.settings``
    and ``stradiff.presets``.

    Parameters
    ----------
    n_components : int, optional
        Number of sources n, from 1 to the number of channels; as many as channels by default.
    mixing : {"linear", "mlp"}
        The map from sources to channels (Eq. 5).
    prior : str, or n of them
        What the sources follow (section 2.3), one name for all or one for each: a Gaussian process with kernel "rbf"
        (Eq. 18, very smooth), "matern52", "matern32" or "matern12" (rough), or what ``register_prior`` added.
    preset : {"default", "paper"}
        ``"paper"`` is the paper to the letter, ``"default"`` what separates best.
    init : {"sobi", "random"} or array (T, n), optional
        Where training starts; an array gives the sources to start from.
    normalise : {"auto", "centre", "standardise", "whiten"}, optional
        What is done to the channels first; undone in all results. ``"auto"`` whitens when m = n.
    max_epochs, tol, learning_rate : int, float, float, optional
        Training ends when the objective falls by less than ``tol`` nats per observed value over 500 epochs; 0: never.
    nu_y, lambda_prior, lambda_diff, lambda_kl : float, optional
        The observation noise variance of Eq. 24 (in variances of a normalised channel) and the weights of Eq. 31.
    lambda_volume : float, optional
        Weight of the volume term (``stradiff.fitting.volume``); the paper has none.
    standardise : bool, optional
        Whether sources are held at unit variance in the model, instead of the columns of a linear map.
    n_diffusion_steps, noise_schedule : int, {"linear", "cosine"}, optional
        The diffusion length L and its noise levels (Eq. 10).
    network_width, network_depth : int, optional
        Hidden layers of each source's network (Eq. 12).
    start_sigma, length_scale_init : float or n floats, optional
        Where sigma of Eq. 7 and the length-scale of Eq. 18 (in units of the record) start, per source.
    sigma_f, jitter, learn_sigma_f, learn_jitter : float, float, bool, bool, optional
        sigma_f and xi of Eq. 18, and whether they are learned.
    solver : {"auto", "fast", "dense"}, optional
        How the prior is computed; see ``stradiff.model.priors.GaussianProcess``.
    mixing_width, mixing_depth : int, optional
        Hidden layers of an ``"mlp"`` map.
    n_draws : int
        Number R of Monte Carlo draws behind ``sources_`` and ``sources_std_`` (section 2.8): 100 draws give the
        standard deviation to 7 %.
    record_epochs : "auto" or tuple of int
        Epochs whose reverse paths are kept; ``"auto"``: the beginning, about the middle and the end.
    callbacks : sequence of callables
        Each is called with a ``stradiff.fitting.Report`` about every hundred epochs; returning True stops the fit.
    random_state : int, RandomState or None
        The same number gives the same bits on the same machine.
    verbose : bool or "auto"
        A progress bar; ``"auto"`` shows it on a terminal only.

    Attributes
    ----------
    sources_, sources_std_ : ndarray (T, n)
        Posterior mean, of unit variance, and standard deviation (Eqs. 34, 35). Slowest source first; each has a
        positive covariance with the channel it weighs most in.
    mixing_ : ndarray (m, n)
        Linear maps only: ``sources_ @ mixing_.T`` is the centred recording in its own units.
    length_scales_ : ndarray (n,)
        In units of the record; ``length_scales_ * span_`` in its own time unit.
    reconstruction_ : ndarray (T, m)
        The recording as the source means explain it (Eq. 36), in its own units.
    history_ : dict of ndarray
        ``total``, ``reconstruction``, ``prior``, ``diffusion``, ``kl``, ``volume``, ``reconstruction_mse`` (n_epochs,)
        and ``length_scales`` (n_epochs, n).
    n_epochs_, converged_, interrupted_ : int, bool, bool
    times_, span_ : ndarray (T,) or None, float
        The times given to ``fit``, and what length-scales are fractions of (samples where no times were given).
    recorded_epochs_, warnings_, fit_info_ : tuple of int, list of str, dict

    Examples
    --------
    >>> from stradiff import StrADiff, simulate
    >>> Y = simulate("linear", n_samples=300, seed=0).recording.values
    >>> model = StrADiff(n_components=3, max_epochs=200, tol=0, random_state=0).fit(Y)
    >>> model.sources_.shape, model.mixing_.shape
    ((300, 3), (3, 3))
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        mixing: str = "linear",
        prior: str | Sequence[str] = "rbf",
        preset: str = "default",
        init: str | ArrayLike | None = None,
        normalise: str | None = None,
        max_epochs: int | None = None,
        tol: float | None = None,
        learning_rate: float | None = None,
        nu_y: float | None = None,
        lambda_prior: float | None = None,
        lambda_diff: float | None = None,
        lambda_kl: float | None = None,
        lambda_volume: float | None = None,
        standardise: bool | None = None,
        n_diffusion_steps: int | None = None,
        noise_schedule: str | None = None,
        network_width: int | None = None,
        network_depth: int | None = None,
        start_sigma: float | Sequence[float] | None = None,
        length_scale_init: float | Sequence[float] | None = None,
        sigma_f: float | None = None,
        jitter: float | None = None,
        learn_sigma_f: bool | None = None,
        learn_jitter: bool | None = None,
        solver: str | None = None,
        mixing_width: int | None = None,
        mixing_depth: int | None = None,
        n_draws: int = 100,
        record_epochs: str | tuple[int, ...] = "auto",
        callbacks: Sequence[Callback] = (),
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | str = "auto",
    ):
        self.n_components = n_components
        self.mixing = mixing
        self.prior = prior
        self.preset = preset
        self.init = init
        self.normalise = normalise
        self.max_epochs = max_epochs
        self.tol = tol
        self.learning_rate = learning_rate
        self.nu_y = nu_y
        self.lambda_prior = lambda_prior
        self.lambda_diff = lambda_diff
        self.lambda_kl = lambda_kl
        self.lambda_volume = lambda_volume
        self.standardise = standardise
        self.n_diffusion_steps = n_diffusion_steps
        self.noise_schedule = noise_schedule
        self.network_width = network_width
        self.network_depth = network_depth
        self.start_sigma = start_sigma
        self.length_scale_init = length_scale_init
        self.sigma_f = sigma_f
        self.jitter = jitter
        self.learn_sigma_f = learn_sigma_f
        self.learn_jitter = learn_jitter
        self.solver = solver
        self.mixing_width = mixing_width
        self.mixing_depth = mixing_depth
        self.n_draws = n_draws
        self.record_epochs = record_epochs
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, Y: ArrayLike, y: None = None, *, times: ArrayLike | None = None) -> StrADiff:
        """Learn sources and mixing of a recording.

        Parameters
        ----------
        Y : array or DataFrame (T, m)
            Rows are samples, columns channels. float32 stays float32.
        y : ignored
        times : array (T,), optional
            Increasing times of the rows, in any unit, for samples that are not evenly spaced. Without, a regular grid.

        Raises
        ------
        InputError, OptionError, MemoryNeedError
            For data or settings that cannot be used; each says what to do.
        """
        began = time.perf_counter()
        values = self._check_recording(Y)
        settings, guess = self._settings(*values.shape)
        irregular, self.times_, self.span_ = time_axis(times, len(values))
        seed = _seed(self.random_state)
        separation, result = separate(
            values,
            irregular,
            settings,
            guess=guess,
            seed=seed,
            n_draws=self._count("n_draws", self.n_draws, least=2),
            record=self._record_epochs(),
            callbacks=self._callbacks(),
            verbose=self.verbose,
        )
        self._store(separation, result, values)
        self.fit_info_ = describe(
            separation,
            preset=self.preset,
            n_samples=len(values),
            n_channels=values.shape[1],
            n_draws=self.n_draws,
            seconds=time.perf_counter() - began,
        )
        self.warnings_ = cautions(result, settings)
        for sentence in self.warnings_:
            warnings.warn(sentence, ConvergenceWarning, stacklevel=2)
        return self

    def fit_transform(self, Y: ArrayLike, y: None = None, *, times: ArrayLike | None = None) -> np.ndarray:
        """``fit``, then the posterior means ``sources_ (T, n)``; ``transform`` of the same rows uses the map alone."""
        return self.fit(Y, times=times).sources_

    def transform(self, Y: ArrayLike) -> np.ndarray:
        """Sources ``(T', n)`` of observations ``(T', m)``, row by row, by the learned map alone."""
        check_is_fitted(self)
        values = self._check_recording(Y, reset=False)
        return self._separation.unmix(values)

    def inverse_transform(self, S: ArrayLike) -> np.ndarray:
        """Recording ``(T', m)``, in its own units, of sources ``(T', n)``."""
        check_is_fitted(self)
        if np.ndim(S) == 2 and np.shape(S)[1] != self._n_features_out:
            raise InputError(f"S has {np.shape(S)[1]} columns; this model has {self._n_features_out} sources.")
        names = [f"source {k + 1}" for k in range(self._n_features_out)]
        sources = check_observations(S, channel_names=names, min_samples=1, allow_constant=True)
        return self._separation.mix(sources)

    def sample_sources(self, n_draws: int = 100, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Posterior draws ``(R, T, n)`` of the sources (Eq. 33)."""
        check_is_fitted(self)
        seed = _seed(random_state)
        return self._separation.draws(self._count("n_draws", n_draws, least=1), seed).astype(self.sources_.dtype)

    def reverse_path(self, epoch: int | None = None) -> np.ndarray:
        """States x_L .. x_0 ``(L + 1, T, n)`` of one draw as they were at a recorded epoch; the last one by default."""
        check_is_fitted(self)
        epoch = self.recorded_epochs_[-1] if epoch is None else epoch
        if epoch not in self.recorded_epochs_:
            known = ", ".join(map(str, self.recorded_epochs_))
            raise OptionError(f"Epoch {epoch} was not recorded; these were: {known}. Set record_epochs for others.")
        return self._separation.path(self._paths[epoch])

    @property
    def mixing_(self) -> np.ndarray:
        """Mixing matrix ``(m, n)`` in the recording's units; linear maps only."""
        check_is_fitted(self)
        matrix = self._separation.mixing_matrix()
        if matrix is None:
            raise AttributeError("A nonlinear map has no mixing matrix; use inverse_transform to apply the map.")
        return matrix

    def save(self, path: str | Path) -> None:
        """Write the fit to one file (safetensors with a JSON header), whole or not at all."""
        check_is_fitted(self)
        storage.save(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> StrADiff:
        """Read a saved fit; nothing in the file is executed."""
        return storage.load(Path(path))

    @property
    def _n_features_out(self) -> int:
        return self._separation.settings.n_sources

    def _check_recording(self, Y: ArrayLike, *, reset: bool = True) -> np.ndarray:
        """Checked values; then the number and names of the features are kept (``reset``) or compared."""
        names = [str(name) for name in Y.columns] if hasattr(Y, "columns") else None
        if names and not reset:  # before the values: a column that a frame could not find holds NaN
            validate_data(self, Y, reset=False, skip_check_array=True)
        values = check_observations(Y, channel_names=names, min_samples=2 if reset else 1, allow_constant=not reset)
        validate_data(self, Y, reset=reset, skip_check_array=True)
        if reset:
            check_rank(values, self.n_components, channel_names=names)
        return values

    def _settings(self, n_samples: int, n_channels: int) -> tuple[Settings, np.ndarray | None]:
        """The settings in force, and the sources to start from if the user gave some."""
        n_sources = n_channels if self.n_components is None else int(self.n_components)
        overrides = {name: value for name, value in self.get_params(deep=False).items() if name not in PLAIN}
        if self.init is None or isinstance(self.init, str):
            return resolve(self.preset, n_sources, {**overrides, "init": self.init}), None
        guess = check_guess(self.init, n_samples, n_sources)
        return resolve(self.preset, n_sources, {**overrides, "init": "given"}), guess

    def _record_epochs(self) -> str | tuple[int, ...]:
        if isinstance(self.record_epochs, str) and self.record_epochs == "auto":
            return "auto"
        if isinstance(self.record_epochs, str) or not np.iterable(self.record_epochs):
            raise OptionError(f"record_epochs={self.record_epochs!r} must be 'auto' or a sequence of epochs.")
        return tuple(self._count("record_epochs", epoch, least=0) for epoch in self.record_epochs)

    def _callbacks(self) -> tuple[Callback, ...]:
        if not np.iterable(self.callbacks) or not all(callable(look) for look in self.callbacks):
            raise OptionError(f"callbacks={self.callbacks!r} must be a sequence of functions of one argument.")
        return tuple(self.callbacks)

    @staticmethod
    def _count(name: str, value: Any, least: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise OptionError(f"{name}={value!r} must be a whole number of at least {least}.")
        return int(value)

    def _store(self, separation: Separation, result: Fit, values: np.ndarray) -> None:
        self._separation = separation
        self._paths = result.paths
        mean, spread = separation.moments(self.n_draws)
        self.sources_, self.sources_std_ = mean.astype(values.dtype), spread.astype(values.dtype)
        self.reconstruction_ = separation.mix(self.sources_)
        self.length_scales_ = separation.length_scales()
        self.history_ = separation.shown_history(result.history)
        self.n_epochs_, self.converged_, self.interrupted_ = result.n_epochs, result.converged, result.interrupted
        self.recorded_epochs_ = tuple(sorted(result.paths))


def _seed(random_state: Any) -> int:
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except ValueError as error:
        raise OptionError(
            f"random_state={random_state!r} must be a whole number from 0 to 2**32 - 1, a RandomState or None."
        ) from error
