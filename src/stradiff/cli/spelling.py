"""Messages about parameters of Python, in terms of the options of the command line."""

from __future__ import annotations

import re

OPTIONS = {
    "seconds": "--checkpoint-every",
    "columns": "--columns",
    "device": "--device",
    "init": "--init",
    "kind": "KIND",
    "max_epochs": "--max-epochs",
    "missing": "--missing",
    "mixing": "--mixing",
    "n_channels": "--channels",
    "n_components": "--components",
    "n_devices": "--devices",
    "n_jobs": "--jobs",
    "n_restarts": "--restarts",
    "n_samples": "--samples",
    "noise": "--noise",
    "nu_y": "--nu-y",
    "preset": "--preset",
    "prior": "--prior",
    "random_state": "--seed",
    "sampling_rate": "--sampling-rate",
    "scheduler": "--scheduler",
    "seed": "--seed",
    "time_column": "--time-column",
    "tol": "--tol",
    "uncertainty": "--uncertainty",
}
# Names that are no words of English either: they are meant wherever they stand.
UNMISTAKABLE = ("max_epochs", "n_components", "n_jobs", "n_restarts", "nu_y", "random_state", "tol")
# What is said of Python alone, and what to say instead.
PHRASES = {
    r", or add it with stradiff\.register_(prior|mixing)": "",
    r"time_column=False": "--time-column none",
    r"Lower learning_rate \(now ([^)]+)\)": r"Fit it from Python with a learning_rate below \1",
    r", or give a distributed\.Client that has them": "",
    r"without a scheduler": "without --scheduler",
}
_NAMES = "|".join(OPTIONS)
# "name=value"; a value in quotes loses them where the command line needs none. Not inside quotes, paths or words.
_WITH_VALUE = re.compile(rf"(?<![\w/'\"=-])({_NAMES})=(?:'([\w+-]+)'(?!\w))?")
_ALONE = re.compile(rf"(?<![^\s(])({'|'.join(UNMISTAKABLE)})(?=[\s,;)]|\.?$|\.\s)")


def spelled_as_options(sentence: str) -> str:
    """A sentence about Python's parameters as one about the options of the command line.

    >>> spelled_as_options("n_components=4 must be from 1 to the number of channels, 3.")
    '--components 4 must be from 1 to the number of channels, 3.'
    """
    for phrase, instead in PHRASES.items():
        sentence = re.sub(phrase, instead, sentence)
    sentence = _WITH_VALUE.sub(lambda match: _option(match, sentence[match.end() :]), sentence)
    return _ALONE.sub(lambda match: OPTIONS[match[1]], sentence)


def _option(match: re.Match[str], rest: str) -> str:
    """The option and its value, or the option alone where none follows."""
    option, value = OPTIONS[match[1]], match[2]
    if value is not None:
        return f"{option} {value}"
    return option if re.match(r"\s|[.,;)](\s|$)|$", rest) else f"{option} "
