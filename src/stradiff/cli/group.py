"""``stradiff separate FOLDER --shared-mixing``: one fit of all recordings, each with a folder of results of its own."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

from stradiff.cli.console import Console
from stradiff.cli.many import LAST, files_of
from stradiff.cli.results import checkpoint_in, output_folder, resumable, write_results
from stradiff.jobs.runner import Outcome


def separate_together(
    recordings: Path,
    components: int | str,
    out: Path,
    reading: dict[str, Any],
    settings: dict[str, Any],
    *,
    resume: bool,
    console: Console,
) -> list[Outcome]:
    """Separate all files of a folder with one mixing; results as ``separate`` writes them, a folder for each.

    Raises
    ------
    KeyboardInterrupt
        When interrupted before the first epoch was over; later, what was learned is kept.
    """
    from stradiff.data.readers import read_recording
    from stradiff.errors import SeparationWarning
    from stradiff.estimator import StrADiff
    from stradiff.jobs.group import fit_group

    began = time.perf_counter()
    data = {name: read_recording(file, **reading) for name, file in files_of(recordings).items()}
    console.progress(
        f"Separating {len(data)} recordings with one mixing. Ctrl-C stops early and keeps what was learned."
    )
    verbose: bool | str = "auto" if console.for_people else False
    with output_folder(out) as folder, resumable(checkpoint_in(folder, resume, console)) as place:
        model = StrADiff(components, missing=reading["missing"], verbose=verbose, checkpoint=place, **settings)
        with console.notes(), warnings.catch_warnings():
            warnings.simplefilter("ignore", SeparationWarning)  # said below, with what is worth no warning
            fits = fit_group(data, model)
        if fits[0].interrupted_:
            console.remark(["The same command with --resume goes on from there."])
        outcomes = []
        for (name, recording), fit in zip(data.items(), fits, strict=True):
            console.remark(f"{name}: {one['sentence']}" for one in fit.diagnostics_ if one["kind"] != "ending")
            with output_folder(folder / name) as own:
                write_results(fit, recording, own)
            outcomes.append(Outcome(name, folder / name / LAST, None, time.perf_counter() - began, fresh=True))
    return outcomes
