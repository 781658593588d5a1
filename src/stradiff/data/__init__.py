"""Recordings: reading, simulation, validation and normalisation; writers of tables."""

from stradiff.data.checks import check_observations, check_times
from stradiff.data.examples import load_gait
from stradiff.data.memory import available_memory, check_memory
from stradiff.data.missing import interpolated, observed_mask, with_gaps
from stradiff.data.model_order import count_sources
from stradiff.data.normalise import Normaliser, fit_normaliser
from stradiff.data.rank import check_rank
from stradiff.data.readers import READERS, read_recording
from stradiff.data.recording import Recording
from stradiff.data.simulate import Simulation, simulate
from stradiff.data.sources import artificial_sources
from stradiff.data.times import regular_rate
from stradiff.data.writers import write_json, write_table

__all__ = [
    "READERS",
    "Normaliser",
    "Recording",
    "Simulation",
    "artificial_sources",
    "available_memory",
    "check_memory",
    "check_observations",
    "check_rank",
    "check_times",
    "count_sources",
    "fit_normaliser",
    "interpolated",
    "load_gait",
    "observed_mask",
    "read_recording",
    "regular_rate",
    "simulate",
    "with_gaps",
    "write_json",
    "write_table",
]
