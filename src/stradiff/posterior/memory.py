"""The memory estimate of a fit, and the refusal of one that does not fit."""

from __future__ import annotations

import sys

from stradiff.config import Configuration, Laplace
from stradiff.data import available_memory, check_memory
from stradiff.errors import InsufficientMemoryError
from stradiff.initialise.prior_selection import prior_choice, rotates
from stradiff.model.devices import available_devices, free_device_memory
from stradiff.posterior.covariance import EMBEDDING
from stradiff.posterior.linearisation import LARGEST_FACTOR
from stradiff.train.callbacks import is_shown

SURROUNDED = 1.5  # times its own size is a segment with its margins
COMPILING = 1.1e9  # bytes the compiler takes beside, or instead where the recording is small (measured: 0.6 to 1.1)
SELECTING = 0.7e9  # bytes more where it also compiles the selection of priors (measured: 1.8 in all)
PROJECTIONS = 20.0  # bytes of an entry of each sample's matrix (Normaliser.forward_mask): in double and twice in single
COPIES = 8  # of the parameters in memory at once: value, gradient, two of Adam, and the loop's own and next
WAITING = 3  # of these while other restarts are trained: value, and two of Adam


def require_memory(needed: float, subject: str, verbose: bool | str) -> int:
    """How many fits of ``needed`` bytes each the memory holds; the estimate is printed where progress is.

    Asked of the machine, and of a GPU in use, which compiles nothing itself. :class:`InsufficientMemoryError` where not
    even one fits; ``what`` is the subject of its sentence.
    """
    check_memory(needed, subject)
    on_device = max(needed - COMPILING, 0.0)
    left = free_device_memory()
    if left is not None and on_device > left:
        raise InsufficientMemoryError(
            f"{subject} needs about {on_device / 2**30:.3g} GiB of the memory of {available_devices()[0].device_kind}, "
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
    settings: Configuration,
    *,
    regular: bool = True,
    longest: int | None = None,
    gaps: bool = False,
) -> float:
    """Bytes a fit takes at its peak, to a factor of about two.

    ``longest``: samples of the longest of several recordings, which with their padding have ``n_samples`` together.
    ``gaps``: samples are missing, and whitened channels each hold a part of them.
    """
    length, mixing = n_samples if longest is None else longest, settings.mixing
    segment = settings.segment_length(n_samples) if regular else None
    n_seen = float(n_samples) if segment is None else SURROUNDED * segment  # in an epoch, and at once by the posterior
    whole_covariance = any(prior.takes_matrices(regular=regular) for prior in settings.initial_priors)
    linear = regular or not whole_covariance
    dense = 3.0 * 8 * min(n_seen, float(length)) ** 2 if whole_covariance else 0.0
    starts = settings.n_sources * COPIES * 2.0 * n_samples
    waiting = 4.0 * (settings.n_restarts - 1) * WAITING / COPIES * (starts + _network_memory(length, settings))
    nonlinear = COPIES * mixing.n_parameters(n_channels) + 2.0 * n_seen * mixing.n_hidden(n_channels)
    training = 4.0 * (_diffusion_memory(n_seen, length, settings) + nonlinear) + dense
    gappy = (gaps or longest is not None) and mixing.is_linear
    posterior = _posterior_memory(min(n_seen, float(length)), n_channels, settings, linear=linear, gappy=gappy)
    results = 4.0 * n_samples * settings.n_sources * (settings.diffusion.n_steps + 12.0)
    whitened = settings.normalise == "whiten" or (settings.normalise == "auto" and n_channels == settings.n_sources)
    projections = PROJECTIONS * n_samples * n_channels**2 if gaps and whitened else 0.0
    decided = settings.replace(prior=prior_choice(settings, n_samples, even=regular and not gaps))
    compiling = COMPILING + (SELECTING if regular and longest is None and rotates(decided, n_samples) else 0.0)
    whole = max(training + waiting, posterior) + 4.0 * starts + results + 40.0 * n_samples * n_channels
    return projections + compiling + whole


def _diffusion_memory(n_seen: float, length: int, settings: Configuration) -> float:
    """Numbers held for the networks and for the reverse paths of an epoch."""
    network = settings.network(length)
    path = 4.0 * n_seen * settings.diffusion.n_steps * settings.n_sources
    return (
        path + _network_memory(length, settings) + (network.n_hidden(n_seen) * settings.n_sources if network else 0.0)
    )


def _network_memory(length: int, settings: Configuration) -> float:
    """Numbers held for all copies of the networks' parameters."""
    network, n_networks = settings.network(length), 1 if settings.diffusion.shared else settings.n_sources
    return COPIES * n_networks * network.n_parameters(length) if network else 0.0


def _posterior_memory(
    n_samples: float, n_channels: int, settings: Configuration, *, linear: bool, gappy: bool
) -> float:
    """Laplace's: vectors of a solve and of the ring, J_t and three matrices per time; with gaps a factor, or more."""
    if not isinstance(settings.uncertainty, Laplace):
        return 0.0
    n_sources = settings.n_sources
    per_sample = n_sources * (10.0 + 6.0 * EMBEDDING + n_channels + 4.0 * n_sources)
    whole = (n_sources * n_samples) ** 2
    if gappy and n_sources * n_samples <= LARGEST_FACTOR:
        return 8.0 * (n_samples * per_sample + 3.0 * whole)
    if gappy:
        per_sample += EMBEDDING * n_sources**2
    return 8.0 * (n_samples * per_sample + (0.0 if linear else 3.0 * whole / n_sources))
