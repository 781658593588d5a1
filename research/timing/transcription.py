"""Algorithm 1 in PyTorch, line by line and eagerly: what a careful reader of the paper would write down first.

A loop over the sources, in it a loop over the reverse steps, a multilayer perceptron on the whole trajectory at each;
a dense T x T covariance and its Cholesky factor for every source and epoch, in double precision as a smooth kernel
needs; derivatives by autograd, ``torch.optim.Adam`` on every array. The objective is that of preset "paper": where the
paper is silent the choices are the library's (widths, schedule, a tau for each source, ten times the learning rate for
length-scales), and a test compares the terms. What never changes (distances, square roots of alpha-bar) is computed
once, as most readers would.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from stradiff.config import Configuration
from stradiff.model.diffusion.reverse import STABILISER

TRIAL = 3  # epochs by which the number of threads is chosen


class Draws(NamedTuple):
    """All that is random in one epoch: (n, T), (n,) and (n, T)."""

    start: Tensor
    tau: Tensor
    diffusion: Tensor


def perceptron(sizes: list[int]) -> nn.Sequential:
    """Linear layers with SiLU in between."""
    layers: list[nn.Module] = []
    for into, out in pairwise(sizes):
        layers += [nn.Linear(into, out), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


class Transcription(nn.Module):
    """All that is learned, and the objective."""

    def __init__(self, observed: np.ndarray, config: Configuration):
        super().__init__()
        (n_samples, n_channels), n, self.config = observed.shape, config.n_sources, config
        self.prior, network, mixing = config.initial_priors[0], config.network(n_samples), config.mixing
        self.observed = torch.tensor(observed, dtype=torch.float32)
        widths = network.depth * [network.width]
        self.networks = nn.ModuleList(perceptron([n_samples + 1, *widths, n_samples]) for _ in range(n))
        self.mean = nn.Parameter(torch.zeros(n, n_samples))
        self.log_sigma = nn.Parameter(torch.full((n, n_samples), math.log(config.diffusion.start_sigma)))
        self.log_length_scale = nn.Parameter(torch.full((n,), math.log(self.prior.length_scale)))
        inside = [] if mixing.is_linear else mixing.depth * [mixing.width]
        self.mixing = perceptron([n, *inside, n_channels]) if inside else nn.Linear(n, n_channels, bias=False)
        schedule = config.diffusion.noise_levels
        beta = np.linspace(schedule.beta_first, schedule.beta_last, schedule.length)
        alpha_bar = [1.0, *np.cumprod(1.0 - beta).tolist()]  # Eq. 10
        self.signal, self.noise = [math.sqrt(a) for a in alpha_bar], [math.sqrt(1.0 - a) for a in alpha_bar]
        times = torch.linspace(0.0, 1.0, n_samples, dtype=torch.float64)
        self.squared_distance = (times[:, None] - times[None, :]) ** 2
        self.identity = torch.eye(n_samples, dtype=torch.float64)

    def predicted(self, k: int, noisy: Tensor, tau: int) -> Tensor:
        """eps_theta_k(x, tau / L) (Eq. 12)."""
        level = torch.tensor([tau / self.config.diffusion.n_steps])
        return self.networks[k](torch.cat([noisy, level]))

    def source(self, k: int, start: Tensor) -> Tensor:
        """Lines 5-10."""
        x = start
        for tau in range(self.config.diffusion.n_steps, 0, -1):
            noise = self.predicted(k, x, tau)
            clean = (x - self.noise[tau] * noise) / (self.signal[tau] + STABILISER)
            x = self.signal[tau - 1] * clean + self.noise[tau - 1] * noise
        return x

    def negative_log_prior(self, k: int, source: Tensor) -> Tensor:
        """Line 14, one source (Eqs. 18, 20)."""
        length_scale = torch.exp(self.log_length_scale[k].double())
        kernel = torch.exp(-self.squared_distance / (2.0 * length_scale**2))
        factor = torch.linalg.cholesky(self.prior.sigma_f**2 * kernel + self.prior.jitter * self.identity)
        whitened = torch.linalg.solve_triangular(factor, source.double()[:, None], upper=False)
        log_det = 2.0 * torch.log(torch.diagonal(factor)).sum()
        return 0.5 * (len(source) * math.log(2.0 * math.pi) + log_det + (whitened**2).sum())

    def terms(self, draws: Draws) -> dict[str, Tensor]:
        """Lines 3-17."""
        n = self.config.n_sources
        starts = self.mean + torch.exp(self.log_sigma) * draws.start
        sources = [self.source(k, starts[k]) for k in range(n)]
        reconstruction = self.mixing(torch.stack(sources, dim=1))
        prior, diffusion = torch.zeros((), dtype=torch.float64), torch.zeros(())
        for k, tau in enumerate(draws.tau.tolist()):
            prior = prior + self.negative_log_prior(k, sources[k])
            noisy = self.signal[tau] * sources[k] + self.noise[tau] * draws.diffusion[k]
            diffusion = diffusion + ((self.predicted(k, noisy, tau) - draws.diffusion[k]) ** 2).mean() / n
        variance = torch.exp(2.0 * self.log_sigma)
        return {
            "reconstruction": ((self.observed - reconstruction) ** 2).sum() / (2.0 * self.config.objective.nu_y),
            "prior": prior,
            "diffusion": diffusion,
            "kl": 0.5 * (self.mean**2 + variance - 1.0 - torch.log(variance)).sum(),
        }

    def objective(self, draws: Draws) -> Tensor:
        """Line 18."""
        every, s = self.terms(draws), self.config.objective
        weighted = s.lambda_prior * every["prior"] + s.lambda_diff * every["diffusion"] + s.lambda_kl * every["kl"]
        return every["reconstruction"] + weighted

    def draw(self) -> Draws:
        """What lines 3 and 15 sample."""
        shape = self.mean.shape
        tau = torch.randint(1, self.config.diffusion.n_steps + 1, shape[:1])
        return Draws(torch.randn(shape), tau, torch.randn(shape))


def optimiser_of(model: Transcription) -> torch.optim.Adam:
    """Line 19."""
    training, prior = model.config.training, model.log_length_scale
    rest = [parameter for parameter in model.parameters() if parameter is not prior]
    groups = [{"params": [prior], "lr": training.prior_rate * training.learning_rate}, {"params": rest}]
    return torch.optim.Adam(groups, lr=training.learning_rate)


def epoch(model: Transcription, optimiser: torch.optim.Adam, draws: Draws) -> float:
    """Lines 3-22; the objective before the step."""
    optimiser.zero_grad()
    objective = model.objective(draws)
    objective.backward()
    optimiser.step()
    if isinstance(model.mixing, nn.Linear):
        with torch.no_grad():
            model.mixing.weight /= model.mixing.weight.norm(dim=0, keepdim=True)
    return objective.item()


def prepare(problem: str) -> Callable[[int], float]:
    """Seconds that so many epochs take, on one thread or on all, whichever is quicker."""
    from timing.problem import SEED, normalised, paper_settings

    torch.manual_seed(SEED)
    model = Transcription(normalised(problem), paper_settings(problem))
    optimiser = optimiser_of(model)

    def seconds_of(n_epochs: int) -> float:
        began = time.perf_counter()
        for _ in range(n_epochs):
            epoch(model, optimiser, model.draw())
        return time.perf_counter() - began

    seconds_of(1)
    torch.set_num_threads(min(sorted({1, torch.get_num_threads()}), key=lambda n: _on(n, seconds_of)))
    return seconds_of


def _on(n_threads: int, seconds_of: Callable[[int], float]) -> float:
    """Seconds of a few epochs on so many threads: on a machine with other work one is often quicker than all."""
    torch.set_num_threads(n_threads)
    return seconds_of(TRIAL)
