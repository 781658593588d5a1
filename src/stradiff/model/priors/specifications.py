"""The priors as a user asks for them: three families, each with its options."""

from __future__ import annotations

from typing import Any

from stradiff.model.priors.autoregression import AutoregressivePrior
from stradiff.model.priors.base import Prior, PriorSpec
from stradiff.model.priors.correlations import PARTS, correlation_of
from stradiff.model.priors.driven_autoregression import DrivenAutoregressivePrior
from stradiff.model.priors.gaussian_process import GaussianProcessPrior
from stradiff.model.priors.innovations import SmoothLaplace, Student
from stradiff.model.priors.kernels import KERNELS
from stradiff.model.priors.mixture import MixturePrior
from stradiff.model.priors.state_space import KERNELS as STATE_SPACE
from stradiff.model.priors.stationary import StationaryPrior
from stradiff.parameters import FLAG, POSITIVE, Constraint, choice, count, parameter

INITIAL_LENGTH_SCALE = 0.05  # of the record, until the likeliest is known
LONGEST_MEMORY = 10_000  # samples before a sample, of an autoregression
MOST_PARTS = 3  # of a sum: every start of one is tried with every start of the others
HEAVY_TAILED = {"laplace": SmoothLaplace, "student": Student}
LEVELS = ("sigma_f", "jitter", "learn_sigma_f", "learn_jitter")
LABELS = {
    "rbf": "RBF",
    "matern12": "Matérn-1/2",
    "matern32": "Matérn-3/2",
    "matern52": "Matérn-5/2",
    "periodic": "periodic",
    "locally_periodic": "locally periodic",
    "spectral_mixture": "spectral-mixture",
}
INNOVATION_LABELS = {"gaussian": "Gaussian", "laplace": "Laplace", "student": "Student-t"}


def _is_kernel(value: Any) -> bool:
    names = value.split("+") if isinstance(value, str) else []
    return 1 <= len(names) <= MOST_PARTS and set(names) <= set(PARTS)


KERNEL = Constraint(
    f"one of {', '.join(PARTS)}, or a sum of 2 to {MOST_PARTS} of these such as 'rbf+matern12'", _is_kernel
)


class GaussianProcess(PriorSpec):
    """A Gaussian process with a stationary kernel (Eqs. 17-20), whose parameters are learned.

    Parameters
    ----------
    kernel : "rbf", "matern12", "matern32", "matern52", "periodic", "locally_periodic", "spectral_mixture", or a sum of
        two or three such as "rbf+matern12".
    length_scale : initial length-scale in units of the record; None: the likeliest for the initial sources.
    sigma_f, jitter : scale sigma_f and nugget xi of Eq. 18; learned when the flags say so.
    solver : {"auto", "fast", "dense"}
        ``"dense"``: by a T x T matrix; ``"fast"``: without, or refused; ``"auto"``: the fast one where it is exact.
    """

    kernel: str = parameter("rbf", KERNEL, "the paper's (Eq. 18)")
    length_scale: float | None = parameter(None, POSITIVE, "the likeliest for the initial sources")
    sigma_f: float = parameter(1.0, POSITIVE, "sources are of order one when channels have variance one")
    jitter: float = parameter(1e-3, POSITIVE, "smaller values freeze the length-scales early")
    learn_sigma_f: bool = parameter(False, FLAG, "fixed in the paper")
    learn_jitter: bool = parameter(False, FLAG, "fixed in the paper")
    solver: str = parameter("auto", choice("auto", "fast", "dense"), "the fast one wherever it is exact")

    @property
    def name(self) -> str:
        """The kernel."""
        return self.kernel

    @property
    def label(self) -> str:
        """The kernel, in words."""
        words = " + ".join(LABELS[part] for part in self.kernel.split("+"))
        return f"{'an' if words.startswith('RBF') else 'a'} {words} Gaussian process"

    @property
    def is_tuned(self) -> bool:
        """Unless a length-scale is given."""
        return self.length_scale is None

    def takes_matrices(self, *, regular: bool) -> bool:
        """Unless the solver is a fast one: any on a regular grid, a Matern process's on other times."""
        return self.solver == "dense" or not (regular or self.kernel in STATE_SPACE)

    def build(self, n_samples: int) -> Prior:
        """The process, its other parameters where its initial length-scale puts them."""
        scale = INITIAL_LENGTH_SCALE if self.length_scale is None else self.length_scale
        options = {name: getattr(self, name) for name in (*LEVELS, "solver")}
        if self.kernel in KERNELS:
            return GaussianProcessPrior(scale, kernel=self.kernel, **options)
        return StationaryPrior(correlation_of(self.kernel, scale), **options)


class Autoregression(PriorSpec):
    """An autoregression of a low order, regular times only.

    Parameters
    ----------
    order : number of samples before a sample that it depends on.
    innovations : {"gaussian", "laplace", "student"}, the density of what is new in a sample.
    sigma_f : initial scale; that of heavy-tailed innovations is always learned.
    jitter, learn_sigma_f, learn_jitter : of Gaussian innovations alone, as of a ``GaussianProcess``.
    """

    order: int = parameter(4, count(1, LONGEST_MEMORY), "two resonances, the least that a modulated oscillation needs")
    innovations: str = parameter("gaussian", choice(*INNOVATION_LABELS), "identified by the spectrum alone")
    sigma_f: float = parameter(1.0, POSITIVE, "sources are of order one when channels have variance one")
    jitter: float = parameter(1e-3, POSITIVE, "that of a Gaussian process")
    learn_sigma_f: bool = parameter(False, FLAG, "fixed in the paper")
    learn_jitter: bool = parameter(False, FLAG, "fixed in the paper")

    @property
    def name(self) -> str:
        """The word "ar", with its innovations where they are not Gaussian."""
        return f"ar_{self.innovations}" if self.innovations in HEAVY_TAILED else "ar"

    @property
    def label(self) -> str:
        """The innovations, in words."""
        return f"an autoregression with {INNOVATION_LABELS[self.innovations]} innovations"

    def takes_matrices(self, *, regular: bool) -> bool:
        """Never."""
        return False

    def build(self, n_samples: int) -> Prior:
        """White noise: all partial autocorrelations are zero."""
        if self.innovations in HEAVY_TAILED:
            innovation = HEAVY_TAILED[self.innovations](self.sigma_f)
            return DrivenAutoregressivePrior(innovation, self.order, n_samples)
        return AutoregressivePrior(self.order, n_samples, **{name: getattr(self, name) for name in LEVELS})


class GaussianMixture(PriorSpec):
    """Values from a mixture of Gaussians, independent or with the memory of an autoregression.

    Parameters
    ----------
    n_components : Gaussians in the mixture.
    order : of the autoregression; 0: independent samples.
    sigma_f : initial scale.
    """

    n_components: int = parameter(4, count(1, 100), "three modes and a floor under them, or one mode with heavy tails")
    order: int = parameter(0, count(0, LONGEST_MEMORY), "without memory, as ICA assumes")
    sigma_f: float = parameter(1.0, POSITIVE, "sources are of order one when channels have variance one")

    @property
    def name(self) -> str:
        """The word "gmm", or "gmm_ar" with memory."""
        return "gmm_ar" if self.order else "gmm"

    @property
    def label(self) -> str:
        """With memory or without."""
        return "a Gaussian mixture with memory" if self.order else "a Gaussian mixture without memory"

    def takes_matrices(self, *, regular: bool) -> bool:
        """Never."""
        return False

    def build(self, n_samples: int) -> Prior:
        """Components side by side, without memory as yet."""
        return MixturePrior(self.n_components, self.order, n_samples, self.sigma_f)
