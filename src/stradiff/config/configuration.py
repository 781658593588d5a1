"""All that decides how a fit goes, as one record of nested parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stradiff.config.parts import AUTO, Diffusion, Laplace, MonteCarlo, Objective, Training, read_uncertainty
from stradiff.errors import OptionError
from stradiff.model.diffusion.networks import Convolutional, Dense, NetworkSpec
from stradiff.model.mixing import Linear, MixingSpec, mixing_spec
from stradiff.model.priors import Autoregression, GaussianProcess, PriorSpec, prior_spec
from stradiff.parameters import Constraint, Parameters, choice, count, instance, is_count, parameter, per_source

LONGEST_DENSE = 10_000  # samples; with network="auto", a longer recording gets convolutional networks
LONGEST_WHOLE = 50_000  # samples; with segment_length="auto", of a longer recording an epoch sees one segment
SEGMENT = 8192  # samples of such a segment
INITS = ("sobi", "fastica", "picard", "random")


INIT = Constraint(
    f"one of {', '.join(map(repr, INITS))}, or an array of sources",
    lambda value: isinstance(value, str) and value in (*INITS, "given"),
)


NORMALISATIONS = (AUTO, "centre", "standardise", "whiten")


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


def _record(kind: type[Parameters]) -> Callable[[Any], Any]:
    """A reader of objects of a class: None stands for one with nothing given, a table for its fields."""

    def read(value: Any) -> Any:
        if value is None or isinstance(value, Mapping):
            return kind().with_table(value or {})
        instance(kind, f"{kind.__name__}(...)").check(kind.__name__.lower(), value)
        return value

    return read


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
    n_restarts: int = parameter(None, count(1, 10_000), "the paper fits once, and every further start takes as long")
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
