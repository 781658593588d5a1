"""Recordings of published generators, as problems of the benchmark in ``contest``.

    from generators import generate
    example = generate("ivae", seed=100)                      # 5 sources, a matrix, T = 1,000
    example = generate("ivae", seed=100, layers=2, n_samples=5000, n_segments=40, mean=5.0)
    example.observed, example.sources, example.noise_free     # (T, m), (T, n), (T, m)
    example.matrix                                            # (m, n), None where the mixing is not linear

``generate(law, seed, *, layers, n_samples, n_sources, n_channels, noise, **settings)`` draws one recording;
``problem(...)`` with the same arguments, but for the seed, is what ``contest`` runs. ``law`` is one of ``PAPERS``:
tcl, ivae, pcl, iia, hm_nlica, snica, leap, tp_nica; ``settings`` are those of the function of that name in
``sources``. ``layers`` counts matrices, as the papers do: 1 is a matrix, 2 a network with one nonlinearity. ``noise``
is the share of the noise-free variance of each channel. Sources have mean 0 and variance 1.
"""

from generators.problems import PAPERS, Published, decibels, generate, problem

__all__ = ["PAPERS", "Published", "decibels", "generate", "problem"]
