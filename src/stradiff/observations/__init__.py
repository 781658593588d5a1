"""What comes in: recordings from files or simulation, checked and normalised; and tables that go out."""

from stradiff.observations.checks import check_observations, check_times
from stradiff.observations.example import load_gait
from stradiff.observations.memory import available_memory, check_memory
from stradiff.observations.missing import interpolated, seen_values, with_gaps
from stradiff.observations.model_order import count_sources
from stradiff.observations.normalise import Normaliser, fit_normaliser
from stradiff.observations.rank import check_rank
from stradiff.observations.readers import READERS, read_recording
from stradiff.observations.recording import Recording
from stradiff.observations.simulate import Simulation, artificial_sources, simulate
from stradiff.observations.timestamps import regular_rate
from stradiff.observations.writers import atomic_path, check_writable_folder, write_json, write_table

__all__ = [
    "READERS",
    "Normaliser",
    "Recording",
    "Simulation",
    "artificial_sources",
    "atomic_path",
    "available_memory",
    "check_memory",
    "check_observations",
    "check_rank",
    "check_times",
    "check_writable_folder",
    "count_sources",
    "fit_normaliser",
    "interpolated",
    "load_gait",
    "read_recording",
    "regular_rate",
    "seen_values",
    "simulate",
    "with_gaps",
    "write_json",
    "write_table",
]
