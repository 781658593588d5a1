"""Many recordings: one after another, on several cores, or on a cluster."""

from stradiff.many.recordings import fit_many
from stradiff.many.work import Outcome

__all__ = ["Outcome", "fit_many"]
