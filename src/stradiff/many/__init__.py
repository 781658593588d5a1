"""Many recordings: one after another, on several cores, on a cluster; or together, with one mixing map."""

from stradiff.many.group import fit_group
from stradiff.many.recordings import fit_many
from stradiff.many.work import Outcome

__all__ = ["Outcome", "fit_group", "fit_many"]
