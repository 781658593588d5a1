"""StrADiff, the scikit-learn estimator: it checks, calls and stores; the work is done by ``stradiff.pipeline``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from stradiff import fit_file
from stradiff.assess.diagnostics import emit_warnings
from stradiff.config import (
    Checkpoint,
    Diffusion,
    Laplace,
    MonteCarlo,
    Objective,
    Training,
    read_parameters,
    table_of,
    with_field,
)
from stradiff.data import check_observations, check_rank, interpolated, observed_mask
from stradiff.data.checks import refuse_transposed
from stradiff.data.missing import MISSING_MODES
from stradiff.data.times import normalised_times
from stradiff.errors import InputError, OptionError, shortened
from stradiff.model.devices import computing_on, on_its_device
from stradiff.model.mixing import MixingSpec
from stradiff.model.priors import PriorSpec
from stradiff.parameters import FLAG, PATH, Constraint, check_seed, choice, count, is_count, plain
from stradiff.pipeline import Result, separate
from stradiff.posterior import Separation
from stradiff.prepare import Recordings, Request

SHARE = Constraint("a number between 0 and 1, such as 0.95", lambda value: isinstance(value, float) and 0 < value < 1)


@contextmanager
def unchanged_on_failure(estimator: BaseEstimator) -> Iterator[None]:
    """Where a fit fails or is stopped, the estimator stays what it was: unfitted, or the whole of an older fit."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


class StrADiff(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Separate a recording into sources with temporal structure, with bands that say how sure the answer is.

    Every source has a Gaussian start, a reverse diffusion and an adaptive prior of its own; a mixing map turns the
    sources into the recording; all are fitted together (Wei, StrADiff; equation numbers are that paper's). A parameter
    left at None takes the value of ``preset``.

    Parameters
    ----------
    n_components : int or "auto", optional
        Number of sources n, from 1 to the number of channels; as many as channels by default. ``"auto"`` counts the
        sources that can be predicted from their own past (``stradiff.data.count_sources``).
    mixing : str or mixing map
        How sources reach the channels (Eq. 5): ``"linear"``, a matrix; ``"post_nonlinear"``, a matrix and one
        increasing curve per channel; ``"residual"``, a matrix and a network; ``"mlp"``, a network; ``"invertible"``, a
        matrix and invertible couplings; or an object such as ``MLP(width=64)``. ``"auto"`` fits a network, and takes
        the matrix where the network explains no more than noise can.
    prior : str, prior, or a list of n of them, optional
        Temporal structure of the sources (section 2.3), one for all or one for each: a Gaussian process ("rbf",
        "matern52", "matern32", "matern12", "periodic", "locally_periodic", "spectral_mixture", sums such as
        "rbf+matern12"), an autoregression ("ar", "ar_laplace", "ar_student"), a Gaussian mixture ("gmm", "gmm_ar"), or
        an object such as ``Autoregression(order=8)``. ``"auto"`` selects one for each source by the Bayesian
        information criterion. By default smooth (RBF), unless the recording of a linear mixing decidedly speaks for
        others.
    preset : {"default", "paper"}
        ``"paper"`` is the paper to the letter, ``"default"`` what separates best.
    missing : {"refuse", "mask"}
        Whether NaN is an error or marks missing samples, which are left out of the fit and filled.
    normalise : {"auto", "centre", "standardise", "whiten"}, optional
        How channels are normalised; undone in all results. ``"auto"`` whitens when m = n, as far as noise allows.
    init : {"sobi", "fastica", "picard", "random"} or array (T, n), optional
        Sources that training starts from.
    n_restarts : int
        Starts that are trained; the one with the lowest objective after 1,000 epochs is trained to the end.
    diffusion : Diffusion, optional
        The reverse diffusion of every source.
    objective : Objective, optional
        Noise variance and weights of the objective.
    training : Training, optional
        Epochs, tolerance, learning rate, segments of long recordings, devices, callbacks.
    uncertainty : {"laplace", "monte-carlo"}, Laplace or MonteCarlo, optional
        Where ``sources_`` and ``sources_std_`` come from: the posterior about its mode, or the paper's Monte Carlo
        draws (section 2.8), whose bands are too narrow.
    checkpoint : path or Checkpoint, optional
        File in which training is kept; ``fit`` goes on from there where it finds one.
    device : {"auto", "cpu", "gpu"} or name of a JAX platform
        What computes; ``"auto"``: a GPU where JAX finds one.
    random_state : int, RandomState or None
        The same number gives the same bits on the same machine with as many cores, however the array lies in memory.
    verbose : bool or "auto"
        A progress bar; ``"auto"`` shows it on a terminal.

    Attributes
    ----------
    sources_, sources_std_ : ndarray (T, n)
        Posterior mean, of unit variance, and standard deviation (Eqs. 34, 35). Slowest source first; each has a
        positive covariance with the channel it weighs most in.
    mixing_ : ndarray (m, n)
        Linear maps only: ``sources_ @ mixing_.T`` is the centred recording in its own units.
    length_scales_ : ndarray (n,)
        In units of the record; times ``span_``, in its time unit.
    priors_ : tuple of str
        Prior of every source.
    reconstruction_ : ndarray (T, m)
        The recording as the source means explain it (Eq. 36), in its own units.
    history_ : dict of ndarray
        ``total``, ``reconstruction``, ``prior``, ``diffusion``, ``kl``, ``volume``, ``reconstruction_mse`` (n_epochs,)
        and ``length_scales`` (n_epochs, n).
    n_components_, n_epochs_, converged_, interrupted_ : int, int, bool, bool
    times_, span_ : ndarray (T,) or None, float
        The times given to ``fit``, and the span that length-scales are fractions of (in samples without times).
    warnings_, diagnostics_ : list of str, list of dict
        What speaks against the answer: sentences, and the same with ``kind``, ``severity`` and ``sources`` (from 0).
    stability_ : ndarray (n,)
        With ``n_restarts`` above 1: mean |correlation| of each source with its counterparts from other starts.
    recorded_epochs_, fit_info_ : tuple of int, dict

    Examples
    --------
    >>> from stradiff import StrADiff, Training, simulate
    >>> Y = simulate("linear", n_samples=300, seed=0).recording.values
    >>> model = StrADiff(n_components=3, training=Training(max_epochs=200, tol=0), random_state=0).fit(Y)
    >>> model.sources_.shape, model.mixing_.shape
    ((300, 3), (3, 3))
    """

    _result: Result

    def __init__(
        self,
        n_components: int | str | None = None,
        *,
        mixing: str | MixingSpec = "linear",
        prior: str | PriorSpec | list[str | PriorSpec] | tuple[str | PriorSpec, ...] | None = None,
        preset: str = "default",
        missing: str = "refuse",
        normalise: str | None = None,
        init: str | ArrayLike | None = None,
        n_restarts: int = 1,
        diffusion: Diffusion | None = None,
        objective: Objective | None = None,
        training: Training | None = None,
        uncertainty: str | Laplace | MonteCarlo | None = None,
        checkpoint: str | Path | Checkpoint | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | str = "auto",
    ):
        self.n_components = n_components
        self.mixing = mixing
        self.prior = prior
        self.preset = preset
        self.missing = missing
        self.normalise = normalise
        self.init = init
        self.n_restarts = n_restarts
        self.diffusion = diffusion
        self.objective = objective
        self.training = training
        self.uncertainty = uncertainty
        self.checkpoint = checkpoint
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def set_params(self, **params: Any) -> StrADiff:
        """Set parameters; nested ones as in ``mixing__width=64`` or ``training__max_epochs=500``.

        Raises
        ------
        ValueError
            For a parameter that there is not, or of something that has none.
        """
        known = self.get_params(deep=False)
        nested = {name: value for name, value in params.items() if name.partition("__")[0] in known.keys() - {name}}
        super().set_params(**{name: value for name, value in params.items() if name not in nested})
        for name, value in nested.items():
            outer, _, field = name.partition("__")
            super().set_params(**{outer: with_field(outer, getattr(self, outer), field, value)})
        return self

    def fit(self, Y: ArrayLike, y: None = None, *, times: ArrayLike | None = None, wide: bool = False) -> StrADiff:
        """Estimate sources and mixing of a recording.

        Parameters
        ----------
        Y : array or DataFrame (T, m)
            Rows are samples, columns channels. float32 stays float32. NaN as ``missing`` says.
        y : ignored
        times : array (T,), optional
            Increasing times of the rows, in any unit, for samples that are not evenly spaced. Without, a regular grid.
        wide : bool
            Whether there may be fewer samples than channels. Otherwise such an array is refused, as rows that are
            channels look like that; a DataFrame with named columns is taken as it is.

        Raises
        ------
        InputError, OptionError, InsufficientMemoryError
            For data or parameters that cannot be used; each says what to do.
        StorageError
            For a checkpoint that cannot be written, or is of another recording or configuration.
        NumericsError
            Where training left the range of numbers before anything was learned.
        """
        with computing_on(self.device), unchanged_on_failure(self):
            FLAG.check("wide", plain(wide))
            values = self._check_recording(Y, wide=wide)
            irregular, given_times, span = normalised_times(times, len(values))
            (result,) = separate(Recordings((values,), irregular), Request.of(self.get_params(deep=False)))
            self._store(result, given_times, span)
        emit_warnings(result.findings)
        return self

    def fit_transform(
        self, Y: ArrayLike, y: None = None, *, times: ArrayLike | None = None, wide: bool = False
    ) -> np.ndarray:
        """``fit``, then the posterior means ``sources_ (T, n)``; ``transform`` of the same rows uses the map alone."""
        return self.fit(Y, times=times, wide=wide).sources_

    @on_its_device
    def transform(self, Y: ArrayLike) -> np.ndarray:
        """Sources ``(T', n)`` of observations ``(T', m)`` in their own units, row by row, by the learned map alone.

        Raises
        ------
        InputError
            For rows of other channels, or, with ``missing="mask"``, of values of fewer channels than there are sources.
        NumericsError
            For rows so far from those of the fit that their sources leave the range of numbers.
        """
        check_is_fitted(self)
        return self._separation.unmix(self._check_recording(Y, reset=False))

    @on_its_device
    def inverse_transform(self, S: ArrayLike) -> np.ndarray:
        """Recording ``(T', m)``, in its own units, of sources ``(T', n)``.

        Raises
        ------
        InputError, NumericsError
            For another number of sources, or sources far beyond those of the fit.
        """
        check_is_fitted(self)
        if np.ndim(S) == 2 and np.shape(S)[1] != self._n_features_out:
            raise InputError(f"S has {np.shape(S)[1]} columns; this model has {self._n_features_out} sources.")
        names = [f"source {k + 1}" for k in range(self._n_features_out)]
        sources = check_observations(S, channel_names=names, min_samples=1, allow_constant=True)
        return self._separation.mix(sources)

    @on_its_device
    def sample_sources(self, n_draws: int = 100, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Posterior draws ``(n_draws, T, n)`` of the sources (Eq. 33), as ``uncertainty`` says.

        Raises
        ------
        OptionError, InsufficientMemoryError
            For a number or a random state that cannot be, or more draws than memory holds.
        """
        check_is_fitted(self)
        count(1).check("n_draws", n_draws := plain(n_draws))
        return self._separation.draws(n_draws, check_seed(random_state)).astype(self.sources_.dtype)

    def credible_interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends ``(T, n)`` of the band that holds a source at each time with probability ``level``.

        Raises
        ------
        OptionError
            For a level outside (0, 1).
        """
        check_is_fitted(self)
        SHARE.check("level", level := plain(level))
        half = self.sources_std_ * self.sources_.dtype.type(norm.ppf(0.5 + level / 2.0))
        return self.sources_ - half, self.sources_ + half

    def reverse_path(self, epoch: int | None = None) -> np.ndarray:
        """States x_L .. x_0 ``(L + 1, T, n)`` of one draw as they were at a recorded epoch; the last one by default.

        Raises
        ------
        OptionError
            For an epoch that was not recorded.
        """
        check_is_fitted(self)
        epoch = self.recorded_epochs_[-1] if epoch is None else plain(epoch)
        if not is_count(epoch) or epoch not in self.recorded_epochs_:
            recorded = ", ".join(map(str, self.recorded_epochs_))
            raise OptionError(
                f"epoch={shortened(epoch)} must be one of the recorded ones, {recorded}; set "
                "Training(record_epochs=...) for others."
            )
        return self._separation.path(self._result.training.paths[epoch])

    def save(self, path: str | Path) -> None:
        """Write the fit to one file (safetensors with a JSON header), whole or not at all.

        Raises
        ------
        StorageError
            For a fit with numbers that are not finite, or a place that cannot be written.
        """
        check_is_fitted(self)
        PATH.check("path", path)
        names = getattr(self, "feature_names_in_", None)
        held = fit_file.held_by_estimator(self.get_params(deep=False), self.times_, self.span_, names)
        fit_file.save(self._result, held, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> StrADiff:
        """Read a saved fit; nothing in the file is executed.

        Raises
        ------
        StorageError
            For a file that is no saved fit, is damaged, or needs a map or prior that is not registered.
        """
        PATH.check("path", path)
        return fit_file.load(Path(path), cls._restored)

    @classmethod
    def _restored(cls, result: Result, saved: dict[str, Any]) -> StrADiff:
        """A fitted estimator of what was saved."""
        model = cls(**read_parameters(saved["parameters"]))
        Request.of(model.get_params(deep=False))  # refuses parameters that cannot be
        model._store(result, saved["times"], float(saved["span"]))
        model.n_features_in_ = result.info["n_channels"]
        if saved["feature_names"] is not None:
            model.feature_names_in_ = np.asarray(saved["feature_names"], dtype=object)
        return model

    @property
    def map_(self) -> str:
        """Name of the map that was fitted: ``mixing``, or what ``mixing="auto"`` took."""
        check_is_fitted(self)
        return self._separation.settings.mixing.name

    @property
    def n_components_(self) -> int:
        """Number of sources: ``n_components``, or how many ``n_components="auto"`` counted."""
        check_is_fitted(self)
        return self.sources_.shape[1]

    @property
    def mixing_(self) -> np.ndarray:
        """Mixing matrix ``(m, n)`` in the recording's units; linear maps only."""
        check_is_fitted(self)
        return self._separation.mixing_matrix()

    @property
    def noise_std_(self) -> np.ndarray:
        """Noise of every channel ``(m,)`` in its unit: the likeliest by Laplace's method, else that of ``nu_y``."""
        check_is_fitted(self)
        return self._separation.noise()

    @property
    def stability_(self) -> np.ndarray:
        """How surely each source is found again from another start ``(n,)``, 0 to 1; with ``n_restarts`` above 1."""
        check_is_fitted(self)
        if "stability" not in self.fit_info_:
            raise AttributeError("Stability compares fits from different starts; fit with n_restarts=4, say.")
        return np.asarray(self.fit_info_["stability"])

    @property
    @on_its_device
    def curves_(self) -> tuple[np.ndarray, np.ndarray]:
        """Post-nonlinear maps only: levels ``(G,)`` of the weighted sums, in sd, and the channels ``(G, m)`` there."""
        check_is_fitted(self)
        return self._separation.curves()

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_result")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing == "mask"
        return tags

    @property
    def _separation(self) -> Separation:
        return self._result.separation

    @property
    def _n_features_out(self) -> int:
        return self.sources_.shape[1]

    def _check_recording(self, Y: ArrayLike, *, reset: bool = True, wide: bool = False) -> np.ndarray:
        """Checked values; then the number and names of the features are kept (``reset``) or compared.

        A ``wide`` recording, or one whose channels have names, may have fewer samples than channels.
        """
        names = [str(name) for name in Y.columns] if hasattr(Y, "columns") else None
        if names and not reset:  # before the values: a column that a frame could not find holds NaN
            validate_data(self, Y, reset=False, skip_check_array=True)
        choice(*MISSING_MODES).check("missing", self.missing)
        values = check_observations(
            Y, channel_names=names, min_samples=2 if reset else 1, allow_constant=not reset, missing=self.missing
        )
        validate_data(self, Y, reset=reset, skip_check_array=True)
        if reset:
            if not (wide or hasattr(self, "feature_names_in_")):
                refuse_transposed(values)
            filled = interpolated(values, observed_mask(values))
            check_rank(filled, plain(self.n_components), channel_names=names, allow_auto=True)
        return values

    def _store(self, result: Result, times: np.ndarray | None, span: float) -> None:
        """Everything that ``fit`` leaves behind."""
        separation, training = result.separation, result.training
        self._result = result
        self.times_, self.span_ = times, span
        self.sources_, self.sources_std_ = result.sources, result.sources_std
        self.reconstruction_ = separation.mix(self.sources_)
        self.length_scales_ = separation.length_scales()
        self.priors_ = separation.priors()
        self.history_ = separation.shown_history(training.history)
        self.n_epochs_, self.converged_, self.interrupted_ = training.n_epochs, training.converged, training.interrupted
        self.recorded_epochs_ = tuple(sorted(training.paths))
        self.warnings_ = [finding.sentence for finding in result.findings]
        self.diagnostics_ = [finding.plain() for finding in result.findings]
        self.fit_info_ = result.info | {"settings": table_of(separation.settings)}
