"""What decides how a recording is separated: nested, frozen configurations, and the presets as instances of them.

A field left at None takes the value of the preset. ``StrADiff`` holds what the user gave; :func:`resolve` completes it
to the :class:`Configuration` that everything else reads. :func:`describe` lists all parameters with their reasons.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from sklearn.utils import check_random_state

from stradiff.errors import OptionError, shortened
from stradiff.model.diffusion.networks import NETWORKS, Convolutional, Dense, NetworkSpec
from stradiff.model.diffusion.schedule import Schedule
from stradiff.model.mixing import MAPS, Linear, MixingSpec, mixing_spec
from stradiff.model.priors import PRIORS, Autoregression, GaussianProcess, PriorSpec, prior_spec
from stradiff.model.specification import Specification
from stradiff.parameters import (
    FLAG,
    NON_NEGATIVE,
    POSITIVE,
    Constraint,
    Parameters,
    changed_field,
    choice,
    count,
    instance,
    is_count,
    parameter,
    per_source,
)

AUTO = "auto"
LONGEST_DENSE = 10_000  # samples; with network="auto", a longer recording gets convolutional networks
LONGEST_WHOLE = 50_000  # samples; with segment_length="auto", of a longer recording an epoch sees one segment
SEGMENT = 8192  # samples of such a segment
SHORTEST_SEGMENT = 256  # samples; a shorter one holds too little of a source, and its margins cost more than it does


class Objective(Parameters):
    """The terms of the objective and their weights (Eqs. 24, 31).

    Parameters
    ----------
    nu_y : float
        Observation noise variance (Eq. 24), in variances of a normalised channel.
    lambda_prior, lambda_diff, lambda_kl : float
        Weights of Eq. 31.
    lambda_volume : float
        Weight of the volume term (:mod:`stradiff.train.volume`); the paper has none.
    standardise : bool
        Whether sources are held at unit variance in the model, instead of the columns of a linear map at unit norm.
    diffusion_moves_sources : bool
        Whether the gradient of Eq. 26 flows into the sources.
    """

    nu_y: float = parameter(None, POSITIVE, "a hundredth of a channel: smaller values train slowly, larger ones blur")
    lambda_prior: float = parameter(None, NON_NEGATIVE, "the log-density as it stands")
    lambda_diff: float = parameter(None, NON_NEGATIVE, "the loss as it stands; a mean over T, hence gentle")
    lambda_kl: float = parameter(None, NON_NEGATIVE, "small: from 0.01 on a start cannot carry its source")
    lambda_volume: float = parameter(
        None, NON_NEGATIVE, "the term completes the prior to a likelihood; the paper has none"
    )
    standardise: bool = parameter(None, FLAG, "a nonlinear map leaves the scale of a source undetermined")
    diffusion_moves_sources: bool = parameter(None, FLAG, "source and diffusion are coupled (section 2.5)")

    @property
    def volume_weight(self) -> float:
        """``lambda_volume``; 0 without a prior, which the volume term completes to a likelihood."""
        return self.lambda_volume if self.lambda_prior else 0.0  # type: ignore[return-value]


class Diffusion(Parameters):
    """The reverse diffusion of every source (Eqs. 7, 10-16).

    Parameters
    ----------
    n_steps : int
        Diffusion length L.
    schedule : {"linear", "cosine"}
        Noise levels (Eq. 10).
    network : {"auto", "dense", "convolutional", "none"}, Dense or Convolutional
        What predicts the noise of a source (Eq. 12): the paper's network on the whole trajectory, or convolutions that
        see a few length-scales and do not grow with the recording; ``"auto"`` takes them above 10,000 samples;
        ``"none"`` leaves the diffusion out.
    shared : bool
        One network for all sources instead of one each.
    output_scale : float
        Factor on the initial last layer; at 0 the reverse path begins as the identity.
    start_sigma : float or n floats
        Where sigma of Eq. 7 begins.
    start_spread : float
        Standard deviation of random initial start means.
    deterministic_start : bool
        Starts without noise: no Monte Carlo bands.
    """

    n_steps: int = parameter(None, count(1), "the paper's (section 3.1)")
    schedule: str = parameter(None, choice("linear", "cosine"), "that of Ho et al. (2020)")
    network: str | NetworkSpec = parameter(
        None,
        Constraint(
            "'auto', 'dense', 'convolutional', 'none', Dense(...) or Convolutional(...)",
            lambda value: (
                isinstance(value, NetworkSpec) or (isinstance(value, str) and value in (AUTO, "none", *NETWORKS))
            ),
        ),
        "a dense network grows with the recording, and an epoch with it",
        lambda value: NETWORKS.specified(value) if isinstance(value, Mapping) else value,
    )
    shared: bool = parameter(None, FLAG, "every source has a diffusion of its own (section 2.2)")
    output_scale: float = parameter(None, NON_NEGATIVE, "a silent last layer keeps the initialisation")
    start_sigma: float | tuple[float, ...] = parameter(
        None, per_source(POSITIVE), "start noise passes straight through the path, so it must begin small"
    )
    start_spread: float = parameter(None, NON_NEGATIVE, "random networks make the sources differ already")
    deterministic_start: bool = parameter(None, FLAG, "Gaussian starts are the paper's, and give Monte Carlo its bands")

    @property
    def noise_levels(self) -> Schedule:
        """The noise schedule of every source."""
        return Schedule(self.n_steps, self.schedule)  # type: ignore[arg-type]

    @property
    def fixed_network(self) -> NetworkSpec | None:
        """The network whatever the length of the recording; None where that decides, or there is none."""
        return NETWORKS.get(self.network) if isinstance(self.network, str) else self.network


class Training(Parameters):
    """How the objective is minimised (Algorithm 1).

    Parameters
    ----------
    max_epochs : int
        Longest training.
    tol : float
        Training ends when the objective falls by less than ``tol`` nats per observed value over 500 epochs; 0: never.
    learning_rate : float
        Adam's.
    prior_rate : float
        Learning rate of the priors' parameters, as a multiple of ``learning_rate``.
    halving : float
        Epochs after which the learning rate is half, a third after as many again; 0: constant.
    segment_length : {"auto", "whole"} or int
        Samples that an epoch sees: the whole recording, or a minibatch of one segment of so many samples; ``"auto"``:
        8192 above 50,000 samples.
    n_devices : int or "all"
        Devices among which one fit is divided: by sources, of which the number must be a multiple, or by segments.
    record_epochs : "auto" or tuple of int
        Epochs whose reverse paths are kept; ``"auto"``: the beginning, about the middle and the end.
    callbacks : sequence of callables
        Each is called with a :class:`stradiff.train.Report` about every hundred epochs; returning True ends training.
    """

    max_epochs: int = parameter(None, count(0), "the paper's (section 3.1)")
    tol: float = parameter(None, NON_NEGATIVE, "training beyond it moves sources by less than 0.01")
    learning_rate: float = parameter(None, POSITIVE, "three times as quick as the paper's, and as good at the end")
    prior_rate: float = parameter(None, POSITIVE, "length-scales travel decades, weights tenths")
    halving: float = parameter(
        None, NON_NEGATIVE, "at a constant rate a late step can throw a length-scale into another basin"
    )
    segment_length: str | int = parameter(
        None,
        choice(AUTO, "whole") | count(SHORTEST_SEGMENT),
        "a long recording is learned from its segments, one an epoch",
    )
    n_devices: int | str = parameter(
        None, choice("all") | count(1), "a fit of the usual size is over before several would pay"
    )
    record_epochs: str | tuple[int, ...] = parameter(
        None,
        Constraint(
            "'auto' or a sequence of epochs, whole numbers from 0 on",
            lambda value: (
                value == AUTO or (isinstance(value, tuple) and all(is_count(epoch) and epoch >= 0 for epoch in value))
            ),
        ),
        "three columns, as in the paper's figures 4 to 6",
    )
    callbacks: tuple[Callable[..., Any], ...] = parameter(
        (),
        Constraint(
            "a sequence of functions of one argument",
            lambda value: isinstance(value, tuple) and all(map(callable, value)),
        ),
        "training needs none",
    )


class Laplace(Parameters):
    """Sources and bands from the Gaussian posterior about its mode (:mod:`stradiff.posterior.laplace`).

    Given the map and the priors, with the mixing uncertainty that a finite record leaves.
    """

    band: ClassVar[str] = (
        "the posterior mean plus and minus 1.96 posterior standard deviations, given prior, map and noise, with the "
        "uncertainty of the mixing in a record of this length"
    )

    n_draws: int = parameter(100, count(2), "the standard deviation to 7 %")


class MonteCarlo(Parameters):
    """The paper's: draws of the starts through the reverse diffusion (section 2.8); its bands are too narrow."""

    band: ClassVar[str] = (
        "mean plus and minus 1.96 standard deviations of draws from the learned start, which are usually far too small"
    )

    n_draws: int = parameter(100, count(2), "the standard deviation to 7 %")


class Checkpoint(Parameters):
    """The file in which training is kept from time to time.

    Where ``fit`` finds one of the same recording, configuration and seed, it goes on from there, to the same bits as if
    never stopped. It is removed when a fit ends but by Ctrl-C.
    """

    path: str = parameter(
        "", Constraint("the path of a file", lambda value: isinstance(value, str) and value != ""), "it has no default"
    )
    seconds: float = parameter(60.0, NON_NEGATIVE, "a minute lost is little, and a file takes less than a second")


UNCERTAINTIES: dict[str, Laplace | MonteCarlo] = {"laplace": Laplace(), "monte-carlo": MonteCarlo()}


def read_mixing(value: Any) -> MixingSpec | str:
    """``"auto"``, or the map that a name, a table or an object stands for."""
    return AUTO if isinstance(value, str) and value == AUTO else mixing_spec(value, AUTO)


def read_prior(value: Any) -> tuple[PriorSpec, ...] | PriorSpec | str | None:
    """None, ``"auto"``, a prior for all sources, or one for each; by name, as a table or as an object."""
    if value is None or (isinstance(value, str) and value == AUTO):
        return value
    if not isinstance(value, list | tuple):
        return prior_spec(value, AUTO)
    if any(isinstance(name, str) and name == AUTO for name in value):
        raise OptionError(
            "prior='auto' selects for all sources and stands alone; name a prior for each source instead."
        )
    return tuple(prior_spec(each, AUTO) for each in value)


def read_uncertainty(value: Any) -> Any:
    """The object that a name or a table stands for."""
    if isinstance(value, Mapping):
        fields = dict(value)
        choice(*UNCERTAINTIES).check("uncertainty", name := fields.pop("name", None))
        return UNCERTAINTIES[name].replace(**fields)
    return UNCERTAINTIES.get(value, value) if isinstance(value, str) else value


def _record(kind: type[Parameters]) -> Callable[[Any], Any]:
    """A reader of objects of a class: None stands for one with nothing given, a table for its fields."""

    def read(value: Any) -> Any:
        if value is None or isinstance(value, Mapping):
            return kind().replace(**(value or {}))
        instance(kind, f"{kind.__name__}(...)").check(kind.__name__.lower(), value)
        return value

    return read


def read_checkpoint(value: Any) -> Checkpoint | None:
    """The checkpoint at a path, or of a table."""
    if value is None or isinstance(value, Checkpoint):
        return value
    if isinstance(value, Mapping):
        return Checkpoint(value.get("path", "")).replace(**value)
    if not isinstance(value, str | Path) or not Path(value).name:
        raise OptionError(f"checkpoint={shortened(value)} must be the path of a file, Checkpoint(...) or None.")
    return Checkpoint(str(value))


INITS = ("sobi", "fastica", "picard", "random")
INIT = Constraint(
    f"one of {', '.join(map(repr, INITS))}, or an array of sources",
    lambda value: isinstance(value, str) and value in (*INITS, "given"),
)
NORMALISATIONS = (AUTO, "centre", "standardise", "whiten")


class Configuration(Parameters):
    """All that decides how a fit goes; complete, and the same for every recording of a group.

    ``prior`` is one for each source, ``"auto"``, or None: smooth, unless the recording of a linear mixing decidedly
    speaks for others (:mod:`stradiff.initialise`). ``init`` is ``"given"`` where the user passes sources.
    """

    n_sources: int = parameter(3, count(1), "as many as in the paper's study; StrADiff takes as many as channels")
    mixing: MixingSpec = parameter(Linear(), instance(MixingSpec, "a mixing map"), "the simplest", read_mixing)
    prior: tuple[PriorSpec, ...] | PriorSpec | str | None = parameter(
        None,
        choice(AUTO) | per_source(instance(PriorSpec, "a prior")),
        "smooth sources, as in the paper; others where the recording decidedly has them",
        read_prior,
    )
    normalise: str = parameter(None, choice(*NORMALISATIONS), "mixing columns far from orthogonal slow training")
    init: str = parameter(None, INIT, "random starts rarely find a nonlinear solution")
    n_restarts: int = parameter(None, count(1), "the paper fits once, and every further start takes as long")
    diffusion: Diffusion = parameter(
        Diffusion(), instance(Diffusion, "Diffusion(...)"), "the preset's", _record(Diffusion)
    )
    objective: Objective = parameter(
        Objective(), instance(Objective, "Objective(...)"), "the preset's", _record(Objective)
    )
    training: Training = parameter(Training(), instance(Training, "Training(...)"), "the preset's", _record(Training))
    uncertainty: Laplace | MonteCarlo = parameter(
        None,
        instance((Laplace, MonteCarlo), "'laplace', 'monte-carlo', Laplace(...) or MonteCarlo(...)"),
        "95 % of the values lie inside a 95 % band, where Monte Carlo bands hold 7 %",
        read_uncertainty,
    )

    def over(self, base: Configuration) -> Configuration:
        """``base`` with all that is given here in its place, nested fields one by one."""
        nested = {name: getattr(self, name).over(getattr(base, name)) for name in NESTED}
        return super().over(base).replace(**nested)

    @property
    def initial_priors(self) -> tuple[PriorSpec, ...]:
        """The prior of every source before any is selected."""
        if isinstance(self.prior, tuple):
            return self.prior
        return (self.prior if isinstance(self.prior, PriorSpec) else GaussianProcess(),) * self.n_sources

    def network(self, n_samples: int) -> NetworkSpec | None:
        """What predicts the noise of sources of so many samples; None without a diffusion."""
        network = self.diffusion.network
        if network == AUTO:
            return Dense() if n_samples <= LONGEST_DENSE and self.segment_length(n_samples) is None else Convolutional()
        return self.diffusion.fixed_network

    @property
    def _network_sees_whole(self) -> bool:
        network = self.diffusion.fixed_network
        return network is not None and network.sees_whole

    def segment_length(self, n_samples: int) -> int | None:
        """Samples of a segment, of a recording on a regular grid; None where an epoch sees the whole of it."""
        length = self.training.segment_length
        if length == "whole" or self._network_sees_whole or (length == AUTO and n_samples <= LONGEST_WHOLE):
            return None
        size = SEGMENT if length == AUTO else int(length)
        return size if n_samples >= 2 * size else None

    def for_recordings(self, lengths: Sequence[int]) -> Configuration:
        """The same for recordings of these lengths: several are seen whole in every epoch, by a network that fits all.

        Raises
        ------
        OptionError
            Where a network or a segment length is given that does not suit several recordings.
        """
        if len(lengths) == 1:
            return self
        if is_count(self.training.segment_length):
            raise OptionError(
                f"segment_length={self.training.segment_length} is for one long recording; a group is trained on whole "
                "recordings: leave it out, or fit the recordings one by one."
            )
        differ, whole = min(lengths) < max(lengths), self.with_nested({"training__segment_length": "whole"})
        if differ and self._network_sees_whole:
            raise OptionError(
                f"The recordings have from {min(lengths)} to {max(lengths)} samples, and a dense network has one "
                "length; use network='convolutional', or cut the recordings to the same length."
            )
        network = Convolutional() if differ else whole.network(max(lengths))
        return whole.with_nested({"diffusion__network": network}) if self.diffusion.network == AUTO else whole

    def check(self, n_samples: int) -> None:
        """Refuse parameters that contradict each other, or do not suit recordings of so many samples.

        Raises
        ------
        OptionError
        """
        for name, values in (("prior", self.prior), ("start_sigma", self.diffusion.start_sigma)):
            if isinstance(values, tuple) and len(values) != self.n_sources:
                raise OptionError(
                    f"{name} has {len(values)} values; give one, or one for each of {self.n_sources} sources."
                )
        if self.prior == AUTO and self.init == "random":
            raise OptionError(
                "prior='auto' selects by the sources that training starts from, and init='random' has none; choose "
                "init='sobi', or name a prior."
            )
        order = Autoregression().order if self.prior == AUTO else max(prior.order for prior in self.initial_priors)
        if 2 * order >= n_samples:
            raise OptionError(
                f"An autoregression of order={order} is too long for {n_samples} samples; choose an order below "
                f"{n_samples / 2:g}, or another prior."
            )
        if self.mixing.is_channelwise and self.normalise == "whiten":
            raise OptionError(
                f"mixing={self.mixing.name!r} has a nonlinearity in every channel, and normalise='whiten' would mix "
                "them before; use normalise='standardise' or 'auto'."
            )
        if is_count(self.training.segment_length) and self._network_sees_whole:
            raise OptionError(
                f"segment_length={self.training.segment_length} needs a network that can see a part of the recording; "
                "use network='convolutional' with it."
            )


NESTED = ("diffusion", "objective", "training")


PAPER = Configuration(
    prior=GaussianProcess(),
    normalise="standardise",
    init="random",
    n_restarts=1,
    diffusion=Diffusion(
        n_steps=20,
        schedule="linear",
        network="dense",
        shared=False,
        output_scale=1.0,
        start_sigma=0.0067,
        start_spread=0.0,
        deterministic_start=False,
    ),
    objective=Objective(
        nu_y=0.01,
        lambda_prior=1.0,
        lambda_diff=1.0,
        lambda_kl=1e-3,
        lambda_volume=0.0,
        standardise=False,
        diffusion_moves_sources=True,
    ),
    training=Training(
        max_epochs=10_000,
        tol=0.0,
        learning_rate=1e-3,
        prior_rate=10.0,
        halving=0.0,
        segment_length="whole",
        n_devices=1,
        record_epochs=AUTO,
    ),
    uncertainty=MonteCarlo(),
)
"""The paper to the letter: its objective, its normalisation of the map, random starts, all epochs."""

DEFAULT = (
    Configuration(
        normalise=AUTO,
        init="sobi",
        diffusion=Diffusion(network=AUTO, output_scale=0.0),
        objective=Objective(lambda_volume=1.0, standardise=True),
        training=Training(tol=3e-3, learning_rate=3e-3, halving=1000.0, segment_length=AUTO),
        uncertainty=Laplace(),
    )
    .over(PAPER)
    .replace(prior=None)
)
"""What separates best (research/study.md has the measurements)."""

PRESETS = {"default": DEFAULT, "paper": PAPER}


# Fields of maps and priors that are None until the preset fills them.
MAP_FIELDS = {
    "default": {
        "linear_path": True,
        "output_scale": 0.1,
    },  # a network learns what the linear fit leaves, from near zero
    "paper": {"linear_path": False, "output_scale": 1.0},  # a plain multilayer perceptron
}
PRIOR_FIELDS: dict[str, dict[str, Any]] = {
    "default": {},  # a length-scale begins at the likeliest for the initial sources
    "paper": {"length_scale": 0.05},  # a twentieth of the record
}


def resolve(preset: Any, given: Configuration) -> Configuration:
    """The preset's configuration, changed by what its map asks for, and that by what is given.

    Raises
    ------
    OptionError
        For a preset that there is not.
    """
    choice(*PRESETS).check("preset", preset)
    base = PRESETS[preset]
    if preset == "default":
        base = base.with_nested(given.mixing.defaults)
    complete = given.over(base)
    priors = complete.prior
    if priors is not None and not isinstance(priors, str):
        each = priors if isinstance(priors, tuple) else (priors,) * complete.n_sources
        priors = tuple(prior.filled(PRIOR_FIELDS[preset]) for prior in each)
    return complete.replace(prior=priors, mixing=complete.mixing.filled(MAP_FIELDS[preset]))


class Default(NamedTuple):
    """A parameter, as in ``objective__nu_y`` or ``MLP.width``; its value with each preset; the reason."""

    name: str
    default: Any
    paper: Any
    reason: str


def defaults() -> list[Default]:
    """Every parameter of a configuration, and of the networks, maps, priors and other objects that it may hold."""
    rows: list[Default] = []
    for name, (_, reason) in Configuration.reasons().items():
        default, paper = getattr(DEFAULT, name), getattr(PAPER, name)
        if name not in NESTED:
            rows.append(Default(name, default, paper, reason))
            continue
        for field, (_, why) in default.reasons().items():
            rows.append(Default(f"{name}__{field}", getattr(default, field), getattr(paper, field), why))
    objects: list[Parameters] = [*NETWORKS.values(), *MAPS.values(), *PRIORS.values(), *UNCERTAINTIES.values()]
    kinds: list[type[Parameters]] = [*map(type, objects), Checkpoint]
    for kind in dict.fromkeys(kinds):
        for field, (value, reason) in kind.reasons().items():
            default, paper = (
                (MAP_FIELDS[preset] | PRIOR_FIELDS[preset]).get(field) if value is None else value
                for preset in ("default", "paper")
            )
            rows.append(Default(f"{kind.__name__}.{field}", default, paper, reason))
    return rows


def describe() -> str:
    """``defaults()`` as a table of text."""
    rows = [("parameter", *(f"preset {name!r}" for name in PRESETS), "reason")]
    rows += [(row.name, repr(row.default), repr(row.paper), row.reason) for row in defaults()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def flat_parameters(config: Configuration) -> dict[str, Any]:
    """Every parameter, nested ones by their own names."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        flat |= dict(value.items()) if name in NESTED else {name: value}
    return flat


def read_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of an estimator, of which some may be tables, as objects."""
    return {
        name: _readers()[name](value) if isinstance(value, Mapping | list) and name in _readers() else value
        for name, value in parameters.items()
    }


def read_configuration(parameters: Any) -> Configuration:
    """The configuration of its parameters, of which some may be names or tables, as ``table_of`` writes them.

    Raises
    ------
    OptionError
    """
    instance(Mapping, "a table of parameters").check("configuration", parameters)
    known = _readers()
    return Configuration(**{name: known[name](value) if name in known else value for name, value in parameters.items()})


def with_field(name: str, value: Any, field: str, new: Any) -> Parameters:
    """The object that a parameter of an estimator stands for, with a field changed, as in ``mixing__width``.

    Raises
    ------
    OptionError
        Where it stands for none, or for one without that field.
    """
    return changed_field(name, _readers()[name](value) if name in _readers() else value, field, new)


def _readers() -> dict[str, Callable[[Any], Any]]:
    """What makes of a parameter the object that it stands for."""
    fields = dataclasses.fields(Configuration)  # type: ignore[arg-type]
    return {"checkpoint": read_checkpoint} | {field.name: field.metadata["read"] for field in fields}


def table_of(value: Any) -> Any:
    """A configuration as tables, lists and plain values, as TOML and JSON hold them; what is None is left out."""
    if isinstance(value, Parameters):
        names: dict[type, str] = {type(kind): name for name, kind in UNCERTAINTIES.items()}
        name = value.name if isinstance(value, Specification) else names.get(type(value))
        named = {} if name is None else {"name": name}
        return named | {field: table_of(item) for field, item in value.items() if item is not None}
    return [table_of(item) for item in value] if isinstance(value, tuple | list) else value


def check_seed(random_state: Any) -> int:
    """A number drawn from whatever scikit-learn takes for a random state; :class:`OptionError` otherwise."""
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except ValueError as error:
        raise OptionError(
            f"random_state={random_state!r} must be a whole number from 0 to 2**32 - 1, a RandomState or None."
        ) from error
