"""Arguments and options that several commands share, each with its unit and its meaning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from stradiff.data.recording import Recording

ADVANCED = "Advanced options"

RecordingFile = Annotated[
    Path,
    typer.Argument(
        metavar="RECORDING",
        help="The recording: .csv, .tsv, .npy, .npz or .wav. Rows are samples, columns are channels.",
        show_default=False,
    ),
]
RecordingFileOrFolder = Annotated[
    Path,
    typer.Argument(
        metavar="RECORDING",
        help="The recording: .csv, .tsv, .npy, .npz or .wav. Rows are samples, columns are channels. Or a folder of "
        "such files.",
        show_default=False,
    ),
]
FitFile = Annotated[
    Path,
    typer.Argument(metavar="FIT", help="A saved fit: the file fit.stradiff of an earlier run.", show_default=False),
]


# Parameters of StrADiff that options of another name set.
PARAMETERS = {
    "components": "n_components",
    "restarts": "n_restarts",
    "max_epochs": "training__max_epochs",
    "tol": "training__tol",
    "devices": "training__n_devices",
    "nu_y": "objective__nu_y",
    "seed": "random_state",
}


def count_or_auto(text: str) -> int | str:
    """A number of sources, or ``"auto"``."""
    if text == "auto":
        return text
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise typer.BadParameter(f"{text!r} is neither a whole number of at least 1 nor auto")


def count_or_all(text: str) -> int | str:
    """A number of devices, or ``"all"``."""
    if text == "all":
        return text
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise typer.BadParameter(f"{text!r} is neither a whole number of at least 1 nor all")


def folder_of(text: str | Path) -> Path:
    """A path; nothing at all, as an empty variable of a shell leaves it, is not taken for the current folder."""
    if not str(text).strip():
        raise typer.BadParameter("it is empty; name a folder, . for the current one")
    return Path(text)


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Any parameter, in TOML, such as the configuration.toml of an earlier run; options here take precedence.",
        show_default=False,
    ),
]
Components = Annotated[
    Any,  # an int or "auto", which the option parser has no type for
    typer.Option(
        "--components",
        "-n",
        metavar="N|auto",
        parser=count_or_auto,
        help="Number of sources to find, at most the number of channels; auto counts them.",
        show_default=False,
    ),
]
Restarts = Annotated[
    int | None,
    typer.Option(
        min=1, help="Starts to try; the best by the objective after 1,000 epochs trains on.", show_default="1"
    ),
]
Mixing = Annotated[
    str | None,
    typer.Option(
        help="How sources reach the channels: linear (weighted sums), post_nonlinear (weighted sums, then a curve for "
        "each channel), residual or mlp (a small neural network), invertible (invertible couplings), or auto (mlp, or "
        "linear where that explains as much).",
        show_default="linear",
    ),
]
Prior = Annotated[
    str | None,
    typer.Option(
        help="Temporal structure of the sources: from smooth to rough rbf, matern52, matern32, matern12; ar, periodic, "
        "locally_periodic, spectral_mixture, sums as rbf+matern12; not Gaussian: ar_laplace, ar_student, gmm, gmm_ar; "
        "or auto. Several, separated by commas, are one for each source.",
        show_default="smooth (rbf), unless the recording decidedly shows otherwise",
    ),
]
Init = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=ADVANCED,
        help="Sources that training starts from: sobi, fastica or picard (where spectra are alike and a prior that is "
        "not Gaussian tells sources apart), or random.",
        show_default="preset's",
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=ADVANCED,
        help="Set of defaults: default (separates best) or paper (to the letter).",
        show_default="default",
    ),
]
Uncertainty = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=ADVANCED,
        help="Where the bands come from: laplace (posterior about the mode) or monte-carlo (the paper's; too narrow).",
        show_default="preset's",
    ),
]
MaxEpochs = Annotated[
    int | None,
    typer.Option(
        rich_help_panel=ADVANCED,
        min=1,
        help="Longest training, in epochs; the preset's when left out.",
        show_default="preset's",
    ),
]
Tolerance = Annotated[
    float | None,
    typer.Option(
        "--tol",
        rich_help_panel=ADVANCED,
        help="Training ends when the objective falls by less than this per value of the recording over 500 epochs; 0: "
        "never before --max-epochs.",
        show_default="preset's",
    ),
]
Noise = Annotated[
    float | None,
    typer.Option(
        "--nu-y",
        rich_help_panel=ADVANCED,
        help="Variance of the noise that training assumes, as a share of each channel's; raise it for noisy channels.",
        show_default="preset's",
    ),
]
_SEED = typer.Option(
    "--seed",
    min=0,
    max=2**32 - 1,
    help="Seed of every random draw: the same seed gives the same numbers.",
    show_default="0",
)
Seed = Annotated[int, _SEED]
SeedOrNone = Annotated[int | None, _SEED]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on from the checkpoint in DIR; the options must be those it was written with."),
]
CheckpointEvery = Annotated[
    float,
    typer.Option(
        rich_help_panel=ADVANCED, min=0.0, metavar="SECONDS", help="Time between two checkpoints while training."
    ),
]
Jobs = Annotated[
    int,
    typer.Option(min=1, help="For a folder: worker processes on this machine. A fit keeps about one core busy."),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=ADVANCED,
        metavar="ADDRESS",
        help="For a folder: a dask scheduler whose cluster works instead. Start its workers with one thread each "
        "(OMP_NUM_THREADS=1 NPROC=1 dask worker --nthreads 1 ..). A tls:// address takes its certificates from the "
        "configuration of dask.",
        show_default=False,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=ADVANCED,
        help="What computes: cpu, gpu, another platform of JAX, or auto: a GPU where there is one, else cpu.",
    ),
]
Devices = Annotated[
    Any,  # an int or "all"
    typer.Option(
        "--devices",
        rich_help_panel=ADVANCED,
        metavar="N|all",
        parser=count_or_all,
        help="Devices that share one fit: its sources, or segments of a long recording, are dealt out among them.",
        show_default="1",
    ),
]
SharedMixing = Annotated[
    bool,
    typer.Option(
        "--shared-mixing",
        help="For a folder: all recordings have the same sensors and one mixing, and are fitted together.",
    ),
]
SamplingRate = Annotated[
    float | None,
    typer.Option(
        help="Samples per second (Hz). Without it, and without times in the file, time counts in samples.",
        show_default="from the file",
    ),
]
TimeColumn = Annotated[
    str | None,
    typer.Option(
        help="Name, or position from 0, of the column that holds the time of each sample, in seconds; none: there "
        "is no such column.",
        show_default="a column named time",
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(help="Channels to use: names, or positions from 0, separated by commas.", show_default="all"),
]
Missing = Annotated[
    str | None,
    typer.Option(
        help="Empty cells, NA and NaN: refuse, or mask (leave them out of the fit and fill them).",
        show_default="refuse",
    ),
]
OutFolder = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        parser=folder_of,
        help="Folder for the results; made when missing, files of the same name are replaced.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


def one_or_several(names: str) -> str | tuple[str, ...]:
    """A name, or the names of a comma-separated list."""
    several = tuple(name.strip() for name in names.split(","))
    return several if len(several) > 1 else several[0]


def names_or_positions(columns: str | None) -> list[str | int] | None:
    """Channels from their comma-separated list: names, and whole numbers for positions."""
    return None if columns is None else [name_or_position(name) for name in columns.split(",") if name.strip()]


def name_or_position(column: str) -> str | int:
    """A whole number as a position, anything else as a name."""
    column = column.strip()
    return int(column) if column.isdecimal() else column


def time_position(column: str | None) -> str | int | bool | None:
    """None: found by name; False: there is none; otherwise the column."""
    if column is None:
        return None
    return False if column.strip().lower() == "none" else name_or_position(column)


def reading(
    sampling_rate: float | None = None,
    time_column: str | None = None,
    columns: str | None = None,
    missing: str | None = None,
    given: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Arguments of ``read_recording`` for these options, and a configuration file's where they are absent."""
    options = {
        "sampling_rate": sampling_rate,
        "time_column": time_position(time_column),
        "columns": names_or_positions(columns),
        "missing": missing,
    }
    return {"missing": "refuse"} | (given or {}) | {name: value for name, value in options.items() if value is not None}


def read(path: Path, reading: dict[str, Any] | None = None) -> Recording:
    """The recording of a file, read as ``reading`` says."""
    from stradiff.data.readers import read_recording

    return read_recording(path, **(reading or {}))


def given(**options: Any) -> dict[str, Any]:
    """The options that are not left out, by the parameters of ``StrADiff`` that they set."""
    return {PARAMETERS.get(name, name): value for name, value in options.items() if value is not None}
