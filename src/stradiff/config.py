"""Everything that decides how a fit goes, in one frozen record; each default carries its reason.

The defaults here are the paper's, or plain ones where it gives none; ``stradiff.presets`` names deviations.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from stradiff.errors import OptionError, shortened
from stradiff.model.diffusion.schedule import Schedule
from stradiff.model.mixing import MAPS, MixingSpec, mixing_spec
from stradiff.model.priors import PriorSpec, prior_spec

AUTO = "auto"
SMOOTH = "rbf"  # the prior that a source has until another is picked
PerSource = float | tuple[float, ...]
CHOICES: dict[str, Collection[str]] = {
    "mixing": MAPS,
    "init": ("random", "sobi", "fastica", "picard", "given"),
    "normalise": ("auto", "centre", "standardise", "whiten"),
    "branch": ("own", "shared", "none"),
    "network": ("auto", "dense", "convolutional"),
    "noise_schedule": ("linear", "cosine"),
    "solver": ("auto", "fast", "dense"),
    "uncertainty": ("laplace", "monte-carlo"),
}
# What ``StrADiff`` takes in addition, and what is for those only who call ``fit`` themselves.
CHOICES_BEYOND, CHOICES_WITHIN = {"mixing": ("auto",)}, {"init": ("given",)}
PER_SOURCE = ("start_sigma", "length_scale_init")
POSITIVE = ("nu_y", "learning_rate", "prior_rate", "sigma_f", "jitter", "start_sigma")
NOT_NEGATIVE = ("lambda_prior", "lambda_diff", "lambda_kl", "lambda_volume", "tol", "start_spread", "halving")
FLAGS = (
    "diffusion_moves_sources",
    "standardise",
    "learn_sigma_f",
    "learn_jitter",
    "deterministic_start",
    "mixing_linear_path",
)
COUNTS = (
    "n_sources",
    "n_diffusion_steps",
    "network_width",
    "network_depth",
    "mixing_width",
    "mixing_depth",
    "mixing_knots",
    "ar_order",
    "n_restarts",
)

LONGEST_DENSE = 10_000  # samples; with network="auto", a longer recording gets convolutional branches
LONGEST_WHOLE = 50_000  # samples; with window="auto", of a longer recording an epoch sees one window alone
WINDOW = 8192  # samples of such a window
LEAST_WINDOW = 256  # samples; a shorter one holds too little of a source, and its surroundings cost more than it does


@dataclasses.dataclass(frozen=True)
class Weights:
    """nu_y of Eq. 24, the lambdas of Eq. 31, and the two choices where the paper leaves room."""

    nu_y: float
    prior: float
    diffusion: float
    kl: float
    volume: float  # of the volume term; 0 in the paper
    diffusion_moves_sources: bool  # whether the gradient of Eq. 26 flows into s, as section 2.5 couples them


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """All that a step needs to know and that never changes during a fit."""

    weights: Weights
    prior_rate: float  # learning rate of the priors' parameters, as a multiple of everybody else's
    halving: float  # epochs until the learning rate is half, a third after as many again; 0: constant


@dataclasses.dataclass(frozen=True)
class Settings:
    """Names follow the paper and the field; see ``StrADiff`` for what each does."""

    n_sources: int = 3  # the paper's study
    mixing: str = "linear"
    # Eq. 18; a tuple has a name for each source, "auto" selects them, None: stradiff.initialise.prior_selection decides
    prior: str | tuple[str, ...] | None = "rbf"

    # objective (Eqs. 24, 31)
    nu_y: float = 0.01  # one per cent of a channel's variance: smaller values trained slowly, larger ones blur
    lambda_prior: float = 1.0  # the log-density as it stands
    lambda_diff: float = 1.0  # as it stands; the term is a mean over T, hence gentle
    lambda_kl: float = 1e-3  # the start must carry the source; at 0.01 and above it cannot (METHOD: point 1)
    lambda_volume: float = 0.0  # the paper has no volume term
    diffusion_moves_sources: bool = True  # section 2.5: source estimation and diffusion learning are coupled
    standardise: bool = False  # the paper leaves the scale to the sources
    normalise: str = "standardise"  # "centered and scaled" (section 2.4)

    # branch (Eqs. 7, 10, 12)
    branch: str = "own"  # the paper's: a network for each source; the others are there to be compared with
    network: str = "dense"  # the paper's: fully connected, on the whole trajectory
    deterministic_start: bool = False  # the paper's starts are Gaussian
    n_diffusion_steps: int = 20  # L of section 3.1
    noise_schedule: str = "linear"  # Ho et al. 2020
    network_width: int = 64  # well below T, so that a branch must find structure; an epoch is half that of 128
    network_depth: int = 2  # the smallest that can gate by the noise level
    network_output_scale: float = 1.0  # the usual start of a dense layer
    start_sigma: PerSource = 0.0067  # e^-5: start noise passes straight through the path, so it must begin small
    start_spread: float = 0.0  # standard deviation of the random start means
    init: str = "random"  # Algorithm 1, line 1

    # prior (Eq. 18)
    length_scale_init: PerSource | None = 0.05  # a twentieth of the record; None: most likely for the start
    sigma_f: float = 1.0  # sources are of order one when channels have variance one
    jitter: float = 1e-3  # xi: smaller values freeze the length-scales early (METHOD: point 1)
    learn_sigma_f: bool = False  # fixed in the paper
    learn_jitter: bool = False  # fixed in the paper
    ar_order: int = 4  # of prior "ar": two resonances, the least that a modulated oscillation needs
    solver: str = "auto"  # the fast prior wherever it is exact

    # map (Eq. 5)
    mixing_width: int = 32  # ten units per channel of a small array: bends of a few kinks are within reach
    mixing_depth: int = 2  # the study's mixings have two layers
    mixing_knots: int = 8  # of each post-nonlinear curve: three quarters of a standard deviation apart
    mixing_linear_path: bool = False  # the paper's is a plain multilayer perceptron
    mixing_output_scale: float = 1.0  # the usual start of a dense layer

    # inference (section 2.8)
    uncertainty: str = "monte-carlo"  # Eqs. 33-35

    # optimisation (Algorithm 1, line 19)
    learning_rate: float = 1e-3  # Adam's own default
    prior_rate: float = 10.0  # length-scales travel decades, weights tenths
    halving: float = 0.0  # epochs until the learning rate is half; 0: constant, the paper names no schedule
    max_epochs: int = 10_000  # section 3.1
    tol: float = 0.0  # the paper runs all epochs
    n_restarts: int = 1  # the paper fits once
    window: str | int = "whole"  # Algorithm 1 sees the whole recording in every epoch
    n_devices: int | str = 1  # a fit of the usual size is over before several would pay

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if not isinstance(value, str) or value not in choices:
                own = [choice for choice in choices if choice not in CHOICES_WITHIN.get(name, ())]
                offered = ", ".join([*own, *CHOICES_BEYOND.get(name, ())])
                raise OptionError(f"{name}={shortened(value)} does not exist; choose one of {offered}.")
        for name in POSITIVE + NOT_NEGATIVE:
            self._check_number(name, may_be_zero=name in NOT_NEGATIVE)
        for name in FLAGS:
            if not isinstance(getattr(self, name), bool):
                raise OptionError(f"{name}={getattr(self, name)!r} must be True or False.")
        for name in COUNTS:
            if not _is_count(getattr(self, name)) or getattr(self, name) < 1:
                raise OptionError(f"{name}={getattr(self, name)!r} must be a whole number of at least 1.")
        if not _is_count(self.max_epochs) or self.max_epochs < 0:
            raise OptionError(f"max_epochs={self.max_epochs!r} must be a whole number, 0 or above.")
        for name in PER_SOURCE:
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != self.n_sources:
                raise OptionError(
                    f"{name} has {len(value)} values; give one, or one for each of {self.n_sources} sources."
                )
        if self.n_devices != "all" and not (_is_count(self.n_devices) and int(self.n_devices) >= 1):
            raise OptionError(f"n_devices={self.n_devices!r} must be a whole number of at least 1, or 'all'.")
        self._check_prior()
        self._check_window()
        if self.mixing_spec.is_channelwise and self.normalise == "whiten":
            raise OptionError(
                f"mixing={self.mixing!r} has a nonlinearity in every channel, and normalise='whiten' would mix them "
                "before; use normalise='standardise' or 'auto'."
            )
        if self.length_scale_init is not None:
            self._check_number("length_scale_init", may_be_zero=False)

    def _check_prior(self) -> None:
        if isinstance(self.prior, tuple) and len(self.prior) != self.n_sources:
            raise OptionError(
                f"prior has {len(self.prior)} names; give one, or one for each of {self.n_sources} sources."
            )
        for name in self.prior_names:
            _check_prior_name(name)
        if self.prior == AUTO and self.init == "random":
            raise OptionError(
                "prior='auto' judges the sources that training starts from, and init='random' has none; "
                "choose init='sobi', or name a prior."
            )

    def _check_window(self) -> None:
        right = self.window in ("auto", "whole") or (_is_count(self.window) and int(self.window) >= LEAST_WINDOW)
        if not right:
            raise OptionError(
                f"window={self.window!r} must be 'auto', 'whole' or a number of samples, {LEAST_WINDOW} or more."
            )
        if self.window not in ("auto", "whole") and self._sees_all_at_once:
            raise OptionError(
                f"window={self.window} needs branches that can see a part of the recording; use "
                "network='convolutional' with it."
            )

    @property
    def _sees_all_at_once(self) -> bool:
        return self.network == "dense" and self.branch != "none"

    def _check_number(self, name: str, *, may_be_zero: bool) -> None:
        value = getattr(self, name)
        for number in value if isinstance(value, tuple) and name in PER_SOURCE else (value,):
            right = isinstance(number, int | float) and not isinstance(number, bool) and number < float("inf")
            if not right or not (number > 0 or (may_be_zero and number == 0)):
                wanted = "0 or above" if may_be_zero else "above 0"
                raise OptionError(f"{name}={shortened(value)} must be a finite number {wanted}.")

    def check_length(self, n_samples: int) -> None:
        """Refuse what a record of this length cannot hold: half of it tells nothing of a higher order."""
        order = self.ar_order if self.prior == AUTO else max(prior.order for prior in self.prior_specs)
        if 2 * order >= n_samples:
            raise OptionError(
                f"ar_order={order} is too high for {n_samples} samples; choose one below {n_samples / 2:g}, or "
                "another prior."
            )

    @property
    def prior_names(self) -> tuple[str, ...]:
        """The prior of every source; with ``"auto"`` or None, the one there is before any is selected."""
        if self.prior is None or self.prior == AUTO:
            return (SMOOTH,) * self.n_sources
        return self.prior if isinstance(self.prior, tuple) else (self.prior,) * self.n_sources

    @property
    def mixing_spec(self) -> MixingSpec:
        """The map: ``mixing_width`` is its ``width``, and so on."""
        spec, own = mixing_spec(self.mixing), vars(self)
        return spec.replace(**{name: own[f"mixing_{name}"] for name, _ in spec.items() if f"mixing_{name}" in own})

    @property
    def prior_specs(self) -> tuple[PriorSpec, ...]:
        """The prior of every source; with ``"auto"``, the one there is before any is picked."""
        scales = np.broadcast_to(np.asarray(self.length_scale_init, object), (self.n_sources,))
        return tuple(self._prior_spec(name, scale) for name, scale in zip(self.prior_names, scales, strict=True))

    def _prior_spec(self, name: str, length_scale: float | None) -> PriorSpec:
        spec = prior_spec(name)
        levels = ("sigma_f", "jitter", "learn_sigma_f", "learn_jitter", "solver")
        values = {level: getattr(self, level) for level in levels} | {"length_scale": length_scale}
        values["order"] = self.ar_order if spec.order else 0  # one of order 0 is another prior
        return spec.replace(**{name: values[name] for name, _ in spec.items() if name in values})

    def convolves(self, n_samples: int) -> bool:
        """Whether the branches of a recording of this length are convolutional."""
        long = n_samples > LONGEST_DENSE or self.window_size(n_samples) is not None
        return self.network == "convolutional" or (self.network == "auto" and long)

    def window_size(self, n_samples: int) -> int | None:
        """Samples of a window, of a recording on a regular grid; None where an epoch sees the whole of it."""
        whole = self.window == "whole" or self._sees_all_at_once
        if whole or (self.window == "auto" and n_samples <= LONGEST_WHOLE):
            return None
        size = WINDOW if self.window == "auto" else int(self.window)
        return size if n_samples >= 2 * size else None

    @property
    def schedule(self) -> Schedule:
        """The noise levels of every branch."""
        return Schedule(self.n_diffusion_steps, self.noise_schedule)

    @property
    def training(self) -> TrainSettings:
        """The part that a compiled step depends on: fits that agree in it share one compilation."""
        weights = Weights(
            nu_y=self.nu_y,
            prior=self.lambda_prior,
            diffusion=self.lambda_diff,
            kl=self.lambda_kl,
            volume=self.lambda_volume if self.lambda_prior else 0.0,  # it completes the prior to a likelihood
            diffusion_moves_sources=self.diffusion_moves_sources,
        )
        return TrainSettings(weights, self.prior_rate, self.halving)


def check_count(name: str, value: Any, least: int) -> int:
    """A whole number of at least ``least``; :class:`OptionError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise OptionError(f"{name}={value!r} must be a whole number of at least {least}.")
    return int(value)


def check_seed(random_state: Any) -> int:
    """A number drawn from whatever scikit-learn takes for a random state; :class:`OptionError` otherwise."""
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except ValueError as error:
        raise OptionError(
            f"random_state={random_state!r} must be a whole number from 0 to 2**32 - 1, a RandomState or None."
        ) from error


def _check_prior_name(name: Any) -> None:
    """What one source can follow."""
    if isinstance(name, str) and name == AUTO:
        raise OptionError("prior='auto' picks for all sources and stands alone; name a prior for each source instead.")
    prior_spec(name, AUTO)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
