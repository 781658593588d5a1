"""StrADiff: the scikit-learn face. It checks, calls and stores; the work is done in the folders it imports."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from stradiff.assess.diagnostics import Finding, examine, warn_of
from stradiff.assess.stability import stability_of
from stradiff.auto_mixing import fit_with_mixing_selection, is_auto
from stradiff.config import check_count, check_seed
from stradiff.data import check_observations, check_rank, interpolated, seen_values
from stradiff.data.checks import warn_if_on_its_side
from stradiff.data.missing import check_missing
from stradiff.data.times import time_axis
from stradiff.fitted import Fitted, on_its_device, unchanged_if_it_fails
from stradiff.model.devices import computing_on
from stradiff.posterior import Separation, separate
from stradiff.presets import resolve_for
from stradiff.provenance import describe
from stradiff.train import Callback, TrainingResult
from stradiff.train.callbacks import check_callbacks
from stradiff.train.checkpoint import Checkpoint, check_checkpoint
from stradiff.train.path_recorder import check_epochs

OWN = {"n_components", "preset", "init", "missing", "n_draws", "record_epochs", "callbacks", "random_state", "verbose"}
OWN |= {"checkpoint", "checkpoint_seconds", "device"}


class StrADiff(Fitted, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Separate a recording into sources with temporal structure, with bands that say how sure the answer is.

    Every source has a Gaussian start, a reverse diffusion and an adaptive prior of its own; a mixing map turns the
    sources into the recording; all are fitted together (Wei, StrADiff; equation numbers below are that paper's).
    A parameter left at None takes the value of ``preset``, listed with its reason in ``stradiff.config``
    and ``stradiff.presets``.

    Parameters
    ----------
    n_components : int or "auto", optional
        Number of sources n, from 1 to the number of channels; as many as channels by default. ``"auto"`` counts what
        can be predicted from its own past (``stradiff.data.count_sources``), taking the rest for white noise.
    mixing : {"linear", "post_nonlinear", "residual", "mlp", "invertible", "auto"}
        The map from sources to channels (Eq. 5): a matrix; a matrix and one increasing curve per channel; a matrix plus
        a network; a network (with a matrix beside it in preset "default"); a matrix and invertible couplings; or the
        network, and the matrix alone where the network explains less beyond it than the noise assumed.
    prior : str, or n of them, optional
        What the sources follow (section 2.3), one name for all or one for each: a Gaussian process with kernel "rbf"
        (Eq. 18, very smooth), "matern52", "matern32" or "matern12" (rough), "periodic", "locally_periodic" or
        "spectral_mixture", a weighted sum such as "rbf+matern12"; an autoregression, "ar", also with heavy-tailed
        innovations, "ar_laplace" and "ar_student"; a Gaussian mixture without or with memory, "gmm" and "gmm_ar"; what
        ``register_prior`` added; or "auto", which picks for each source by Schwarz's criterion at the start of
        training. By default "auto" for a matrix (``stradiff.presets`` says when), "ar_laplace" for a post-nonlinear
        map, "rbf" else.
    preset : {"default", "paper"}
        ``"paper"`` is the paper to the letter, ``"default"`` what separates best.
    init : {"sobi", "fastica", "picard", "random"} or array (T, n), optional
        Where training starts; an array gives the sources to start from. With a bent map of more channels than sources
        a linear method separates n to 2 n components, those are kept that explain the rest, and of up to seven such
        starts a hundred epochs of each tell by the objective which one it is. With a matrix and ``prior="auto"``
        SOBI's sources or FastICA's are turned to where priors find them likeliest (``stradiff.initialise.rotation``).
    normalise : {"auto", "centre", "standardise", "whiten"}, optional
        What is done to the channels first; undone in all results. ``"auto"`` whitens when m = n, no further than
        the noise in the recording allows.
    missing : {"refuse", "mask"}
        What NaN means: a mistake, or a sample that was not seen. Such samples are left out of the fit, and filled:
        ``sources_`` and ``reconstruction_`` are complete.
    max_epochs, tol, learning_rate : int, float, float, optional
        Training ends when the objective falls by less than ``tol`` nats per observed value over 500 epochs; 0: never.
    nu_y, lambda_prior, lambda_diff, lambda_kl : float, optional
        The observation noise variance of Eq. 24 (in variances of a normalised channel) and the weights of Eq. 31.
    lambda_volume : float, optional
        Weight of the volume term (``stradiff.train.volume``); the paper has none.
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
    ar_order : int, optional
        Order of the prior ``"ar"``.
    solver : {"auto", "fast", "dense"}, optional
        How the prior is computed; see ``stradiff.model.priors.GaussianProcess``.
    mixing_width, mixing_depth, mixing_knots : int, optional
        Units and hidden layers of a map's network (pairs of couplings if invertible); bends of a post-nonlinear curve.
    network : {"auto", "dense", "convolutional"}, optional
        What predicts the noise of a source: the paper's network on the whole trajectory, or convolutions that see a few
        length-scales and do not grow with the recording; ``"auto"`` takes them above 10,000 samples.
    window : {"auto", "whole"} or int, optional
        What an epoch sees: the whole recording, or a window of so many samples; ``"auto"``: 8192 above 50,000 samples.
    branch, deterministic_start : {"own", "shared", "none"}, bool, optional
        For comparison: one network for all sources, or no diffusion; starts without noise (no Monte Carlo bands).
    uncertainty : {"laplace", "monte-carlo"}, optional
        Where ``sources_`` and ``sources_std_`` come from: the Gaussian posterior about its mode, given the map and the
        priors, with what the finite record leaves open about the map (``stradiff.posterior.laplace``); or the paper's
        Monte Carlo through the branches (section 2.8), whose bands are too narrow.
    n_draws : int
        Number R of draws behind ``sources_std_`` (and ``sources_``, by Monte Carlo): 100 give it to 7 %.
    record_epochs : "auto" or tuple of int
        Epochs whose reverse paths are kept; ``"auto"``: the beginning, about the middle and the end.
    n_restarts : int, optional
        Different starts, one on each core at a time; that with the least objective after 1,000 epochs trains on.
    callbacks : sequence of callables
        Each is called with a ``stradiff.train.Report`` about every hundred epochs; returning True stops the fit.
    checkpoint, checkpoint_seconds : path, float, optional
        File in which training is kept every so many seconds. Where ``fit`` finds one of the same recording, settings
        and seed, it goes on from there, to the same bits as if never stopped. Removed when a fit ends but by Ctrl-C.
    device : {"auto", "cpu", "gpu"} or name of a JAX platform
        What computes; ``"auto"``: a GPU where JAX finds one, else the processor. See docs/devices.md.
    n_devices : int or "all", optional
        Devices of that platform among which one fit is divided; 1 by default. Sources are dealt out evenly, so it is
        the largest number up to this that divides n; in training by windows, as many windows as this are seen at once.
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
        In units of the record, ``* span_`` in its own time unit.
    priors_ : tuple of str
        The prior of every source: what was asked for, or what ``"auto"`` picked.
    reconstruction_ : ndarray (T, m)
        The recording as the source means explain it (Eq. 36), in its own units.
    history_ : dict of ndarray
        ``total``, ``reconstruction``, ``prior``, ``diffusion``, ``kl``, ``volume``, ``reconstruction_mse`` (n_epochs,)
        and ``length_scales`` (n_epochs, n).
    n_components_, n_epochs_, converged_, interrupted_ : int, int, bool, bool
    times_, span_ : ndarray (T,) or None, float
        The times given to ``fit``, and what length-scales are fractions of (samples where no times were given).
    warnings_, diagnostics_ : list of str, list of dict
        What speaks against the answer or is worth knowing: sentences, and the same with ``kind``, ``severity``
        ("warning" or "note") and the ``sources`` concerned (columns, from 0).
    stability_ : ndarray (n,)
        Only with ``n_restarts`` above 1: mean |correlation| of each source with its counterparts from other starts.
    recorded_epochs_, fit_info_ : tuple of int, dict

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
        n_components: int | str | None = None,
        *,
        mixing: str = "linear",
        prior: str | Sequence[str] | None = None,
        preset: str = "default",
        init: str | ArrayLike | None = None,
        normalise: str | None = None,
        missing: str = "refuse",
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
        ar_order: int | None = None,
        solver: str | None = None,
        mixing_width: int | None = None,
        mixing_depth: int | None = None,
        mixing_knots: int | None = None,
        branch: str | None = None,
        network: str | None = None,
        window: int | str | None = None,
        deterministic_start: bool | None = None,
        uncertainty: str | None = None,
        n_draws: int = 100,
        record_epochs: str | tuple[int, ...] = "auto",
        n_restarts: int | None = None,
        callbacks: Sequence[Callback] = (),
        checkpoint: str | Path | None = None,
        checkpoint_seconds: float = 60.0,
        device: str = "auto",
        n_devices: int | str | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | str = "auto",
    ):
        self.n_components, self.mixing = n_components, mixing
        self.prior, self.preset, self.init = prior, preset, init
        self.normalise, self.missing = normalise, missing
        self.max_epochs, self.tol, self.learning_rate = max_epochs, tol, learning_rate
        self.nu_y = nu_y
        self.lambda_prior, self.lambda_diff, self.lambda_kl = lambda_prior, lambda_diff, lambda_kl
        self.lambda_volume = lambda_volume
        self.standardise = standardise
        self.n_diffusion_steps, self.noise_schedule = n_diffusion_steps, noise_schedule
        self.network_width, self.network_depth = network_width, network_depth
        self.start_sigma = start_sigma
        self.length_scale_init = length_scale_init
        self.sigma_f, self.jitter = sigma_f, jitter
        self.learn_sigma_f, self.learn_jitter = learn_sigma_f, learn_jitter
        self.ar_order = ar_order
        self.solver = solver
        self.mixing_width, self.mixing_depth, self.mixing_knots = mixing_width, mixing_depth, mixing_knots
        self.branch, self.network, self.window = branch, network, window
        self.deterministic_start = deterministic_start
        self.uncertainty, self.n_draws = uncertainty, n_draws
        self.record_epochs, self.n_restarts = record_epochs, n_restarts
        self.callbacks = callbacks
        self.checkpoint, self.checkpoint_seconds = checkpoint, checkpoint_seconds
        self.device, self.n_devices = device, n_devices
        self.random_state, self.verbose = random_state, verbose

    def fit(self, Y: ArrayLike, y: None = None, *, times: ArrayLike | None = None) -> StrADiff:
        """Learn sources and mixing of a recording.

        Parameters
        ----------
        Y : array or DataFrame (T, m)
            Rows are samples, columns channels. float32 stays float32. NaN is what ``missing`` says.
        y : ignored
        times : array (T,), optional
            Increasing times of the rows, in any unit, for samples that are not evenly spaced. Without, a regular grid.

        Raises
        ------
        InputError, OptionError, MemoryNeedError
            For data or settings that cannot be used; each says what to do.
        StorageError
            For a checkpoint that cannot be written, or is of another recording or other settings.
        NumericsError
            Where training left the range of numbers before anything was learned.
        """
        began = time.perf_counter()
        with computing_on(self.device), unchanged_if_it_fails(self):
            values = self._check_recording(Y)
            checkpoint = check_checkpoint(self.checkpoint, self.checkpoint_seconds, self.random_state)
            if is_auto(self.mixing):
                found = fit_with_mixing_selection(self, values, times, checkpoint)
            else:
                found = self._fit(values, times, self.mixing, checkpoint)
            self.warnings_, self.diagnostics_ = [one.sentence for one in found], [one.plain() for one in found]
            self.fit_info_["seconds"] = round(time.perf_counter() - began, 3)
        if checkpoint and not self.interrupted_:
            checkpoint.remove()
        warn_of(found)
        return self

    def fit_transform(self, Y: ArrayLike, y: None = None, *, times: ArrayLike | None = None) -> np.ndarray:
        """``fit``, then the posterior means ``sources_ (T, n)``; ``transform`` of the same rows uses the map alone."""
        return self.fit(Y, times=times).sources_

    @on_its_device
    def transform(self, Y: ArrayLike) -> np.ndarray:
        """Sources ``(T', n)`` of observations ``(T', m)``, row by row, by the learned map alone.

        With ``missing="mask"`` a row needs values of as many channels as there are sources.
        """
        check_is_fitted(self)
        values = self._check_recording(Y, reset=False)
        return self._separation.unmix(values)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing == "mask"
        return tags

    def _check_recording(self, Y: ArrayLike, *, reset: bool = True) -> np.ndarray:
        """Checked values; then the number and names of the features are kept (``reset``) or compared."""
        names = [str(name) for name in Y.columns] if hasattr(Y, "columns") else None
        if names and not reset:  # before the values: a column that a frame could not find holds NaN
            validate_data(self, Y, reset=False, skip_check_array=True)
        check_missing(self.missing)
        values = check_observations(
            Y, channel_names=names, min_samples=2 if reset else 1, allow_constant=not reset, missing=self.missing
        )
        validate_data(self, Y, reset=reset, skip_check_array=True)
        if reset:
            warn_if_on_its_side(values)
            filled = interpolated(values, seen_values(values))
            check_rank(filled, self.n_components, channel_names=names, may_be_auto=True)
        return values

    def _fit(
        self, values: np.ndarray, times: ArrayLike | None, mixing: str, checkpoint: Checkpoint | None
    ) -> list[Finding]:
        """Fit a map to a checked recording and keep all that is known of it; what was found."""
        irregular, given_times, span = time_axis(times, len(values))
        params, seen = self.get_params(deep=False) | {"mixing": mixing}, seen_values(values)
        overrides = {name: value for name, value in params.items() if name not in OWN}
        settings, guess = resolve_for(values, self.n_components, self.preset, self.init, overrides)
        settings.check_length(len(values))
        separation, result = separate(
            values,
            irregular,
            settings,
            seen=seen,
            guess=guess,
            seed=check_seed(self.random_state),
            n_draws=check_count("n_draws", self.n_draws, least=2),
            record=check_epochs(self.record_epochs),
            callbacks=check_callbacks(self.callbacks),
            verbose=self.verbose,
            checkpoint=checkpoint,
        )
        self.times_, self.span_ = given_times, span
        self._store(separation, result, values, *separation.moments(self.n_draws))
        shape = {"n_samples": len(values), "n_channels": values.shape[1], "n_draws": self.n_draws}
        self.fit_info_ = describe(separation, preset=self.preset, **shape, n_devices=result.n_devices, seconds=0.0)
        self.fit_info_ |= stability_of(result, separation.readout)
        return examine(separation, result, values, self.sources_, self.sources_std_, self.fit_info_.get("stability"))

    def _store(self, separation: Separation, result: TrainingResult, values: np.ndarray, mean: Any, sd: Any) -> None:
        self._separation = separation
        self._paths = result.paths
        self.sources_, self.sources_std_ = mean.astype(values.dtype), sd.astype(values.dtype)
        self.reconstruction_ = separation.mix(self.sources_)
        self.length_scales_ = separation.length_scales()
        self.priors_ = separation.priors()
        self.history_ = separation.shown_history(result.history)
        self.n_epochs_, self.converged_, self.interrupted_ = result.n_epochs, result.converged, result.interrupted
        self.recorded_epochs_ = tuple(sorted(result.paths))
