"""The parts of a configuration: the terms of the objective, diffusion, training, uncertainty, checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from stradiff.model.diffusion.networks import NETWORKS, NetworkSpec
from stradiff.model.diffusion.schedule import Schedule
from stradiff.parameters import (
    FLAG,
    NON_NEGATIVE,
    PATH,
    POSITIVE,
    Constraint,
    Parameters,
    choice,
    count,
    instance,
    parameter,
    per_source,
)

AUTO = "auto"
MOST_RECORDED = 1000  # epochs: the paths of each are as large as the sources, for every step
MOST_DRAWS = 1_000_000  # the standard deviation to a thousandth
LONGEST_DIFFUSION = 10_000  # steps, each of them a call of the network; ten times those of images
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

    n_steps: int = parameter(None, count(1, LONGEST_DIFFUSION), "the paper's (section 3.1)")
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
            f"'auto' or a sequence of epochs, at most {MOST_RECORDED:,} whole numbers from 0 on",
            lambda value: (
                value == AUTO
                if isinstance(value, str)
                else isinstance(value, tuple) and len(value) <= MOST_RECORDED and all(map(count(0).holds, value))
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

    n_draws: int = parameter(100, count(2, MOST_DRAWS), "the standard deviation to 7 %")


class MonteCarlo(Parameters):
    """The paper's: draws of the starts through the reverse diffusion (section 2.8); its bands are too narrow."""

    band: ClassVar[str] = (
        "mean plus and minus 1.96 standard deviations of draws from the learned start, which are usually far too small"
    )

    n_draws: int = parameter(100, count(2, MOST_DRAWS), "the standard deviation to 7 %")


class Checkpoint(Parameters):
    """The file in which training is kept from time to time.

    Where ``fit`` finds one of the same recording, configuration and seed, it goes on from there, to the same bits as if
    never stopped. The file stays when training is over, until it is deleted: a fit that is killed before it is saved is
    not lost.
    """

    path: str = parameter("", PATH, "it has no default")
    seconds: float = parameter(60.0, NON_NEGATIVE, "a minute lost is little, and a file takes less than a second")


UNCERTAINTIES: dict[str, Laplace | MonteCarlo] = {"laplace": Laplace(), "monte-carlo": MonteCarlo()}


def read_uncertainty(value: Any) -> Any:
    """The object that a name or a table stands for."""
    if isinstance(value, Mapping):
        fields = dict(value)
        choice(*UNCERTAINTIES).check("uncertainty", name := fields.pop("name", None))
        return UNCERTAINTIES[name].with_table(fields)
    return UNCERTAINTIES.get(value, value) if isinstance(value, str) else value


def read_checkpoint(value: Any) -> Checkpoint | None:
    """The checkpoint at a path, or of a table."""
    if value is None or isinstance(value, Checkpoint):
        return value
    if isinstance(value, Mapping) and "path" in value:
        return Checkpoint(value["path"]).with_table(value)
    (PATH | instance(Checkpoint, "Checkpoint(...) or None")).check("checkpoint", value)
    return Checkpoint(str(value))
