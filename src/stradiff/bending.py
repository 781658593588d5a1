"""``mixing="auto"``: a bent map where the recording asks for one, else the linear map, which has less to go wrong."""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stradiff.evaluation.diagnostics import Finding

if TYPE_CHECKING:
    from stradiff.estimator import StrADiff

AUTO, BENT, STRAIGHT = "auto", "mlp", "linear"
KIND = "linear-suffices"
SENTENCE = (
    "mixing='auto' took the linear map: a network explained no more beyond the best linear map than noise can account "
    "for."
)


def as_bent_as_needed(fit: Callable[..., StrADiff]) -> Callable[..., StrADiff]:
    """``StrADiff.fit`` that also understands ``mixing="auto"``.

    A network is fitted first. Where its bent part explains no more than noise can (the finding ``linear-suffices``)
    the linear map is fitted instead; a fit that was interrupted is kept as it is. The checkpoint of the linear fit
    stands beside the other's, with ``.linear`` behind its name.
    """

    @functools.wraps(fit)
    def chosen(self: StrADiff, Y: Any, y: None = None, *, times: Any = None) -> StrADiff:
        if self.mixing != AUTO:
            return fit(self, Y, y, times=times)
        began = time.perf_counter()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            kept = _like(self, mixing=BENT).fit(Y, times=times)
        if not kept.interrupted_ and any(one["kind"] == KIND for one in kept.diagnostics_):
            beside = None if self.checkpoint is None else f"{self.checkpoint}.linear"
            kept = _like(self, mixing=STRAIGHT, checkpoint=beside).fit(Y, times=times)
            kept.warnings_.append(SENTENCE)
            kept.diagnostics_.append(Finding(KIND, "note", (), SENTENCE).plain())
        else:
            for one in told:
                warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        kept.fit_info_["seconds"] = round(time.perf_counter() - began, 3)
        given = self.get_params(deep=False)
        self.__dict__.update({name: value for name, value in vars(kept).items() if name not in given})
        return self

    return chosen


def _like(estimator: StrADiff, **other: Any) -> StrADiff:
    """An estimator with the same settings but for some, and the same callbacks, not copies of them."""
    return type(estimator)(**{**estimator.get_params(deep=False), **other})
