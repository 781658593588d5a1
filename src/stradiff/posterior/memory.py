"""The memory estimate of a fit, and the refusal of one that does not fit."""

from __future__ import annotations

import sys

from stradiff.config import Settings
from stradiff.data import available_memory, check_memory
from stradiff.errors import MemoryNeedError
from stradiff.model.devices import devices_here, memory_left
from stradiff.model.priors import state_space
from stradiff.posterior.covariance import RING
from stradiff.posterior.tangent import WHOLE
from stradiff.train.callbacks import is_shown

SURROUNDED = 1.5  # times its own size is a segment with its margins
CONVOLUTIONAL = 60.0  # numbers per sample of the channels of all layers, at eight samples a frame
COMPILING = 1.1e9  # bytes the compiler takes beside, or instead where the recording is small (measured: 0.6 to 1.1)
CHOOSING = 0.7e9  # bytes more where it also compiles the choice of priors (measured: 1.8 in all)
PROJECTIONS = 20.0  # bytes of an entry of each sample's matrix (Normaliser.visible): in double and twice in single
COPIES = 8  # of the parameters in memory at once: value, gradient, two of Adam, and the loop's own and next
WAITING = 3  # of these while other restarts are trained: value, and two of Adam


def require_memory(needed: float, subject: str, verbose: bool | str) -> int:
    """How many fits of ``needed`` bytes each the memory holds; the estimate is printed where progress is.

    The memory of the machine, and of a GPU in use, where nothing is compiled. :class:`MemoryNeedError`, a sentence
    about ``subject``, where it holds not even one.
    """
    check_memory(needed, subject)
    on_device = max(needed - COMPILING, 0.0)
    left = memory_left()
    if left is not None and on_device > left:
        raise MemoryNeedError(
            f"{subject} needs about {on_device / 2**30:.3g} GiB of the memory of {devices_here()[0].device_kind}, "
            f"of which {left / 2**30:.3g} GiB are left; use device='cpu', fewer samples or channels, or a larger card."
        )
    if is_shown(verbose):
        print(f"Needs about {needed / 2**30:.2g} GiB of memory.", file=sys.stderr)
    copies = available_memory() / needed
    if left is not None and on_device:
        copies = min(copies, left / on_device)
    return max(1, int(copies))


def memory_estimate(
    n_samples: int,
    n_channels: int,
    settings: Settings,
    *,
    regular: bool = True,
    longest: int | None = None,
    gaps: bool = False,
) -> float:
    """Bytes a fit takes at its peak, to a factor of about two.

    ``longest``: samples of the longest of several recordings, which with their padding have ``n_samples`` together.
    ``gaps``: samples are missing, and whitened channels each hold a part of them.
    """
    length = n_samples if longest is None else longest
    segment = settings.window_size(n_samples) if regular else None
    n_seen = float(n_samples) if segment is None else SURROUNDED * segment  # in an epoch, and at once by the posterior
    linear = regular or (settings.solver != "dense" and set(settings.prior_names) <= set(state_space.KERNELS))
    whole_covariance = settings.solver == "dense" or not linear
    dense = 3.0 * 8 * min(n_seen, float(length)) ** 2 if whole_covariance else 0.0
    starts = settings.n_sources * COPIES * 2.0 * n_samples
    waiting = 4.0 * (settings.n_restarts - 1) * WAITING / COPIES * (starts + _network_memory(length, settings))
    training = (
        4.0 * (_branch_memory(n_seen, length, settings) + _nonlinear_memory(n_seen, n_channels, settings)) + dense
    )
    gappy = (gaps or longest is not None) and settings.mixing in ("linear", "auto")
    posterior = _posterior_memory(min(n_seen, float(length)), n_channels, settings, linear=linear, gappy=gappy)
    results = 4.0 * n_samples * settings.n_sources * (settings.n_diffusion_steps + 12.0)
    whitened = settings.normalise == "whiten" or (settings.normalise == "auto" and n_channels == settings.n_sources)
    projections = PROJECTIONS * n_samples * n_channels**2 if gaps and whitened else 0.0
    compiling = COMPILING + (CHOOSING if regular and longest is None and settings.turns_start(n_samples) else 0.0)
    whole = max(training + waiting, posterior) + 4.0 * starts + results + 40.0 * n_samples * n_channels
    return projections + compiling + whole


def _branch_memory(n_seen: float, length: int, settings: Settings) -> float:
    """Numbers of the networks and of the reverse paths of an epoch."""
    path = 4.0 * n_seen * settings.n_diffusion_steps * settings.n_sources
    if settings.convolves(length):  # frames are computed again at every step, and held for one
        return path + CONVOLUTIONAL * n_seen * settings.n_sources
    return path + _network_memory(length, settings)


def _network_memory(length: int, settings: Settings) -> float:
    """Numbers of all copies of the parameters of dense networks; those of convolutional ones are few."""
    if settings.convolves(length):
        return 0.0
    width, n_networks = float(settings.network_width), {"own": settings.n_sources, "shared": 1, "none": 0}
    return COPIES * n_networks[settings.branch] * (2.0 * length * (width + 1) + settings.network_depth * width**2)


def _nonlinear_memory(n_samples: float, n_channels: int, settings: Settings) -> float:
    """Numbers held for a map beyond its matrix: copies of its parameters, and its hidden values at every sample."""
    width, depth = float(settings.mixing_width), settings.mixing_depth
    if settings.mixing == "linear":
        return 0.0
    if settings.mixing == "post_nonlinear":
        return n_channels * settings.mixing_knots * (COPIES * 3.0 + 2.0 * n_samples)
    if settings.mixing == "invertible":
        return 2.0 * depth * width * (COPIES * 3.0 * n_channels + 2.0 * n_samples)
    return depth * width * (COPIES * width + 2.0 * n_samples)


def _posterior_memory(n_samples: float, n_channels: int, settings: Settings, *, linear: bool, gappy: bool) -> float:
    """Bytes of Laplace: vectors of a solve and of the ring, J_t and three matrices per time; with gaps more."""
    if settings.uncertainty != "laplace":
        return 0.0
    n_sources = settings.n_sources
    per_sample = n_sources * (10.0 + 6.0 * RING + n_channels + 4.0 * n_sources)
    whole = (n_sources * n_samples) ** 2
    if gappy and n_sources * n_samples <= WHOLE:
        return 8.0 * (n_samples * per_sample + 3.0 * whole)
    if gappy:
        per_sample += RING * n_sources**2
    return 8.0 * (n_samples * per_sample + (0.0 if linear else 3.0 * whole / n_sources))
