"""Many recordings: one after another, on several cores, on a cluster; or together, with one mixing map."""

from stradiff.jobs.group import fit_group
from stradiff.jobs.recordings import fit_many
from stradiff.jobs.tasks import Outcome

__all__ = ["Outcome", "fit_group", "fit_many"]
