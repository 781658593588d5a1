"""A fit and a checkpoint of this version, to be kept with every release: python tests/saved_files.py.

``tests/saved/VERSION`` then holds ``fit.stradiff``, ``training.checkpoint`` and the sources that the fit had.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np

from stradiff import Checkpoint, Dense, Diffusion, StrADiff, Training

FOLDER = Path(__file__).parent / "saved"
Y = np.random.default_rng(0).standard_normal((64, 3)).cumsum(axis=0).round(3)


def model(checkpoint: Path | None = None) -> StrADiff:
    """The estimator of both files."""
    return StrADiff(
        2,
        prior="matern12",
        missing="mask",
        diffusion=Diffusion(n_steps=2, network=Dense(width=2, depth=1)),
        training=Training(max_epochs=3, tol=0.0),
        checkpoint=checkpoint and Checkpoint(str(checkpoint), seconds=0.0),
        random_state=0,
        verbose=False,
    )


def main() -> None:
    """Write the files of this version."""
    folder = FOLDER / version("stradiff")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "training.checkpoint").unlink(missing_ok=True)
    fitted = model(folder / "training.checkpoint").fit(Y)
    fitted.save(folder / "fit.stradiff")
    np.save(folder / "sources.npy", fitted.sources_)


if __name__ == "__main__":
    main()
