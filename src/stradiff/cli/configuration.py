"""The configuration of a run as a TOML file: read with ``--config``, written beside the results of every run."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stradiff.errors import OptionError, ReadError, shortened

if TYPE_CHECKING:
    from stradiff.estimator import StrADiff

FILE = "configuration.toml"
RECORDING = ("sampling_rate", "time_column", "columns")
"""Names in the table ``[recording]``: how the file is read."""
NOT_KEPT = ("checkpoint", "device", "verbose")  # where and how it runs, not what it computes


def read_configuration(path: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters of ``StrADiff``, and how the recording is read; both empty without a file.

    Raises
    ------
    ReadError
        For a file that is missing, or no TOML.
    OptionError
        For a name that is no parameter.
    """
    if path is None:
        return {}, {}
    try:
        parameters = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).rstrip(".").split())
        raise ReadError(f"{path} cannot be read as a configuration in TOML: {reason}.") from error
    from stradiff.estimator import StrADiff
    from stradiff.parameters import instance

    reading = parameters.pop("recording", {})
    instance(dict, "a table").check("recording", reading)
    known = [name for name in StrADiff().get_params(deep=False) if name not in NOT_KEPT]
    for names, allowed, where in ((parameters, known, "parameter"), (reading, RECORDING, "entry of [recording]")):
        for name in names:
            if name not in allowed:
                raise OptionError(f"{path}: {shortened(name)} is no {where}; there are {', '.join(allowed)}.")
    return parameters, reading


def configured(parameters: dict[str, Any]) -> StrADiff:
    """An estimator of these parameters: plain values, tables, and nested ones as ``training__max_epochs``."""
    from stradiff.config import read_parameters
    from stradiff.estimator import StrADiff

    nested = {name: value for name, value in parameters.items() if "__" in name}
    direct = {name: value for name, value in parameters.items() if name not in nested}
    return StrADiff(**read_parameters(direct)).set_params(**nested)


def write_configuration(model: StrADiff, reading: dict[str, Any], path: Path) -> None:
    """Write what a fit was made with, complete, so that ``--config`` runs it again to the same bits.

    With ``mixing="auto"`` what depends on the map is left to it.
    """
    import tomli_w

    from stradiff.config import table_of
    from stradiff.data.writers import atomic_path

    parameters = {name: table_of(value) for name, value in model.get_params(deep=False).items() if name not in NOT_KEPT}
    if parameters["mixing"] != "auto":
        complete = model.fit_info_["settings"]
        parameters |= {
            name: complete[name] for name in complete if name in parameters and name not in ("prior", "init")
        }
    table = _without_none(parameters | {"recording": {name: reading.get(name) for name in RECORDING}})
    head = (
        f"# stradiff {version('stradiff')}; to run it again: stradiff separate RECORDING --config {FILE} --out DIR\n\n"
    )
    with atomic_path(path) as temporary:
        temporary.write_text(head + tomli_w.dumps(table), encoding="utf-8")


def _without_none(value: Any) -> Any:
    """The same without what is None, which TOML does not have, and without empty tables and lists."""
    if isinstance(value, dict):
        kept = {name: _without_none(item) for name, item in value.items() if item is not None}
        return {name: item for name, item in kept.items() if item not in ({}, [])}
    return [_without_none(item) for item in value] if isinstance(value, list) else value
