"""``mixing="auto"``: a bent map where the recording asks for one, else the linear map, which has less to go wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from stradiff.assess.diagnostics import Finding
from stradiff.errors import StorageError
from stradiff.train.checkpoint import Checkpoint

if TYPE_CHECKING:
    from stradiff.estimator import StrADiff

AUTO, BENT, STRAIGHT = "auto", "mlp", "linear"
KIND = "linear-suffices"
SENTENCE = (
    "mixing='auto' took the linear map: a network explained no more beyond the best linear map than noise can account "
    "for."
)


def is_auto(mixing: Any) -> bool:
    """Whether the choice of the map is left to the recording."""
    return isinstance(mixing, str) and mixing == AUTO


def fit_with_mixing_selection(
    estimator: StrADiff, values: np.ndarray, times: ArrayLike | None, checkpoint: Checkpoint | None
) -> list[Finding]:
    """Fit a network to a checked recording, and the linear map instead where that suffices; what was found.

    It does where the bent part of the network explains no more than noise can (the finding ``linear-suffices``). A fit
    that was interrupted is kept as it is. The checkpoint of the linear fit stands beside the other's, with ``.linear``
    behind its name; the other's stays as long, so that a killed fit need not train the network again.
    """
    beside = checkpoint and checkpoint.beside(STRAIGHT)
    if checkpoint and beside and beside.path.exists() and not checkpoint.path.exists():
        raise StorageError(  # now: after the network's training it may turn out to belong to another recording
            f"{beside.path} is left of a fit whose other checkpoint, {checkpoint.path.name}, is gone; delete it to "
            "start anew."
        )
    found = estimator._fit(values, times, BENT, checkpoint)
    if estimator.interrupted_ or all(one.kind != KIND for one in found):
        return found
    found = estimator._fit(values, times, STRAIGHT, beside)
    if beside and not estimator.interrupted_:
        beside.remove()  # before the other's: alone it would be in the way of the next fit
    return [*found, Finding(KIND, "note", (), SENTENCE)]
