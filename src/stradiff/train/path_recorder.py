"""The reverse paths x_L .. x_0 recorded during training (figures 4-6 of the paper)."""

from __future__ import annotations

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from stradiff.model.model import Model


@eqx.filter_jit
def _paths(model: Model, noise: Float[Array, "n T"]) -> Float[Array, "n states T"]:
    return model.paths(noise)


class PathRecorder:
    """Paths at chosen epochs, or at the beginning, the middle and the end.

    The number of epochs is not known beforehand. For the middle, paths are taken at 1, 2, 4, 8, .. hundred epochs and
    only the last two kept: the earlier of them is about half way to the end.
    """

    def __init__(self, epochs: tuple[int, ...] | str, noise: Float[Array, "n T"], chunk: int) -> None:
        self._wanted = None if isinstance(epochs, str) else sorted(epochs)
        self._doubling = chunk
        self._noise = noise
        self.paths: dict[int, np.ndarray] = {}

    def next_stop(self, epoch: int, end: int) -> int:
        """The next epoch, at most ``end``, at which training must pause for a recording."""
        if self._wanted is None:
            return end
        return min([wanted for wanted in self._wanted if wanted > epoch] + [end])

    def go_to(self, paths: dict[int, np.ndarray], model: Model, epoch: int) -> None:
        """Go on from the paths of the same fit at ``epoch``; that of this epoch may be still to come."""
        self.paths = dict(paths)
        while self._doubling < epoch:
            self._doubling *= 2
        self.look(model, epoch)

    def look(self, model: Model, epoch: int, *, last: bool = False) -> None:
        """Record if this epoch is due."""
        due = (0, self._doubling) if self._wanted is None else self._wanted
        if epoch not in due and not last:
            return
        self.paths[epoch] = np.moveaxis(np.asarray(_paths(model, self._noise)), 0, -1)
        if self._wanted is None and epoch == self._doubling:
            self._doubling *= 2
        if self._wanted is None:
            self._forget(epoch if last else None)

    def _forget(self, end: int | None) -> None:
        between = sorted(epoch for epoch in self.paths if epoch not in (0, end))
        keep = between[-2:] if end is None else sorted(between, key=lambda epoch: abs(epoch - end / 2))[:1]
        self.paths = {epoch: path for epoch, path in self.paths.items() if epoch in (0, end, *keep)}
