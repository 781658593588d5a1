"""Make src/stradiff/data/daphnet_gait.npz from the CSV of aeon 1.6 (see the README.md beside it).

python research/make_gait_data.py aeon/datasets/data/Daphnet_S06R02E0/S06R02E0.csv
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd

SOURCE_SHA256 = "5a1d2990fec3846c3e1bc43487f0860e63434bd06b3df763012e97ce23d0d84c"
TARGET = Path(__file__).parents[1] / "src" / "stradiff" / "data" / "daphnet_gait.npz"


def make(source: Path, target: Path = TARGET) -> None:
    """Keep the nine accelerations, as 16-bit whole numbers; the times say 64 Hz, the labels are all zero."""
    if hashlib.sha256(source.read_bytes()).hexdigest() != SOURCE_SHA256:
        sys.exit(f"{source} is not the file of aeon 1.6 that this script was written for.")
    channels = pd.read_csv(source).drop(columns=["timestamp", "is_anomaly"])
    values = channels.to_numpy(np.int16)
    assert (values == channels.to_numpy()).all(), "16 bits are too few"
    np.savez_compressed(
        target,
        values=values,
        sampling_rate=np.array(64.0),
        channel_names=np.array(channels.columns, dtype=str),
        units=np.array("mg"),
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    make(Path(sys.argv[1]))
