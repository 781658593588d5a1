"""What can be asked of a fitted estimator, beyond the arrays that ``fit`` left on it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from stradiff import serialization as storage
from stradiff.config import check_count, check_seed
from stradiff.data import check_observations
from stradiff.errors import InputError, OptionError
from stradiff.model.devices import computing_on
from stradiff.posterior import Separation

if TYPE_CHECKING:
    from stradiff.estimator import StrADiff

Method = TypeVar("Method", bound=Callable[..., Any])


def on_its_device(method: Method) -> Method:
    """The method of an estimator, computed where its parameter ``device`` says."""

    @functools.wraps(method)
    def there(self: Any, *args: Any, **kwargs: Any) -> Any:
        with computing_on(self.device):
            return method(self, *args, **kwargs)

    return cast(Method, there)


@contextmanager
def unchanged_if_it_fails(estimator: BaseEstimator) -> Iterator[None]:
    """Where a fit fails or is stopped, the estimator stays what it was: nothing, or the whole of an older fit."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


class Fitted:
    """Half of ``StrADiff``: of the constructor's arguments it needs ``device`` alone, else only what ``fit`` stored."""

    device: str
    _separation: Separation
    _paths: dict[int, np.ndarray]
    sources_: np.ndarray
    sources_std_: np.ndarray
    recorded_epochs_: tuple[int, ...]
    fit_info_: dict[str, Any]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_separation")

    @on_its_device
    def inverse_transform(self, S: ArrayLike) -> np.ndarray:
        """Recording ``(T', m)``, in its own units, of sources ``(T', n)``."""
        check_is_fitted(self)
        if np.ndim(S) == 2 and np.shape(S)[1] != self._n_features_out:
            raise InputError(f"S has {np.shape(S)[1]} columns; this model has {self._n_features_out} sources.")
        names = [f"source {k + 1}" for k in range(self._n_features_out)]
        sources = check_observations(S, channel_names=names, min_samples=1, allow_constant=True)
        return self._separation.mix(sources)

    @on_its_device
    def sample_sources(self, n_draws: int = 100, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Posterior draws ``(R, T, n)`` of the sources (Eq. 33), as ``uncertainty`` says."""
        check_is_fitted(self)
        seed = check_seed(random_state)
        return self._separation.draws(check_count("n_draws", n_draws, least=1), seed).astype(self.sources_.dtype)

    def credible_interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends ``(T, n)`` of the band that holds a source at each time with probability ``level``."""
        check_is_fitted(self)
        if not 0 < level < 1:
            raise OptionError(f"level={level!r} must lie between 0 and 1, such as 0.95.")
        half = self.sources_std_ * self.sources_.dtype.type(norm.ppf(0.5 + level / 2.0))
        return self.sources_ - half, self.sources_ + half

    def reverse_path(self, epoch: int | None = None) -> np.ndarray:
        """States x_L .. x_0 ``(L + 1, T, n)`` of one draw as they were at a recorded epoch; the last one by default."""
        check_is_fitted(self)
        epoch = self.recorded_epochs_[-1] if epoch is None else epoch
        if epoch not in self.recorded_epochs_:
            known = ", ".join(map(str, self.recorded_epochs_))
            raise OptionError(f"Epoch {epoch} was not recorded; these were: {known}. Set record_epochs for others.")
        return self._separation.path(self._paths[epoch])

    def save(self, path: str | Path) -> None:
        """Write the fit to one file (safetensors with a JSON header), whole or not at all."""
        check_is_fitted(self)
        storage.save(self, Path(path))  # type: ignore[arg-type]

    @staticmethod
    def load(path: str | Path) -> StrADiff:
        """Read a saved fit; nothing in the file is executed."""
        return storage.load(Path(path))

    @property
    def map_(self) -> str:
        """Name of the map that was fitted: ``mixing``, or what ``mixing="auto"`` took."""
        check_is_fitted(self)
        return self._separation.settings.mixing

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

    @property
    def _n_features_out(self) -> int:
        return self._separation.settings.n_sources
