"""Algorithm 1 of the paper in plain NumPy loops: what the real code is compared with.

Written from the paper, one equation after the other, to be read beside the paper; slow on purpose. Sources
stand in columns, ``S (T, n)``, as in the paper. The parameters are plain dictionaries and lists:

    mean, log_sigma            (n, T)   mu^(k) and log sigma^(k) of Eq. 7
    networks                   n lists of layers (weight (to, from), bias (to,)); the first takes [x, tau / L]
    log_length_scale           (n,)     log l_k of Eq. 18, and log_sigma_f (n,), log_jitter (n,)
    mixing                     {"matrix": (m, n)} or {"layers": [...]} or both

There is no absolute value and no comparison of parameters in here, so every function also takes complex ones, and
the imaginary part of one evaluation with a tiny imaginary step is a derivative to rounding (Squire & Trapp 1998).
"""

from __future__ import annotations

import math

import numpy as np

STABILISER = 1e-8  # the epsilon of Eq. 13


def zeros(*shape):
    return np.zeros(shape, complex)


# --- section 2.2: generation ---------------------------------------------------------------------------


def start(mean, sigma, noise):
    """Eq. 9."""
    z = zeros(len(mean))
    for t in range(len(mean)):
        z[t] = mean[t] + sigma[t] * noise[t]
    return z


def betas(length, kind):
    """Ho et al. (2020), 1e-4 to 0.02; Nichol & Dhariwal (2021), Eq. 17 with s = 0.008 and beta at most 0.999."""
    if kind == "linear":
        return [1e-4 + (0.02 - 1e-4) * i / (length - 1) for i in range(length)]

    def f(step):
        return math.cos((step / length + 0.008) / 1.008 * math.pi / 2) ** 2

    return [min(1 - (f(step) / f(0)) / (f(step - 1) / f(0)), 0.999) for step in range(1, length + 1)]


def alpha_bars(length, kind):
    """Eq. 10: abar_tau, the product of alpha_r = 1 - beta_r over r = 1 .. tau; abar_0, an empty product, is one."""
    alpha_bar = [1.0]
    for beta in betas(length, kind):
        alpha_bar.append(alpha_bar[-1] * (1 - beta))
    return alpha_bar


def network(layers, trajectory, level):
    """Eq. 12: fully connected, x sigmoid(x) between the layers."""
    values = [*trajectory, level]
    for depth, (weight, bias) in enumerate(layers):
        following = []
        for i in range(len(bias)):
            total = bias[i]
            for j in range(len(values)):
                total = total + weight[i][j] * values[j]
            following.append(total if depth == len(layers) - 1 else total / (1 + np.exp(-total)))
        values = following
    return np.array(values)


def clean_estimate(noisy, noise, alpha_bar):
    """Eq. 13."""
    clean = zeros(len(noisy))
    for t in range(len(noisy)):
        clean[t] = (noisy[t] - math.sqrt(1 - alpha_bar) * noise[t]) / (math.sqrt(alpha_bar) + STABILISER)
    return clean


def reverse_step(noisy, noise, alpha_bar, alpha_bar_next):
    """Eq. 14."""
    clean = clean_estimate(noisy, noise, alpha_bar)
    following = zeros(len(noisy))
    for t in range(len(noisy)):
        following[t] = math.sqrt(alpha_bar_next) * clean[t] + math.sqrt(1 - alpha_bar_next) * noise[t]
    return following


def reverse_path(layers, z, alpha_bar):
    """Eqs. 11, 13-15: x_L = z, .., x_0 = s."""
    length = len(alpha_bar) - 1
    states = [z]
    for tau in range(length, 0, -1):
        noise = network(layers, states[-1], tau / length)
        states.append(reverse_step(states[-1], noise, alpha_bar[tau], alpha_bar[tau - 1]))
    return np.array(states)


def generate(parameters, noise, alpha_bar):
    """Eq. 16: S = f_Theta(Z) at Z = mu + sigma noise, ``noise (n, T)`` (Algorithm 1, lines 3-12)."""
    n_sources, n_samples = noise.shape
    S = zeros(n_samples, n_sources)
    for k in range(n_sources):
        z = start(parameters["mean"][k], np.exp(parameters["log_sigma"][k]), noise[k])
        S[:, k] = reverse_path(parameters["networks"][k], z, alpha_bar)[-1]
    return S


# --- section 2.3: prior --------------------------------------------------------------------------------


def covariance(times, length_scale, sigma_f, jitter):
    """Eq. 18."""
    K = zeros(len(times), len(times))
    for i in range(len(times)):
        for j in range(len(times)):
            K[i, j] = sigma_f**2 * np.exp(-((times[i] - times[j]) ** 2) / (2 * length_scale**2))
            if i == j:
                K[i, j] += jitter
    return K


def log_density(s, K):
    """One term of Eq. 20."""
    sign, log_size = np.linalg.slogdet(K)
    log_det = log_size + np.log(sign)  # the sign carries the imaginary part
    return -0.5 * (len(s) * math.log(2 * math.pi) + log_det + s @ np.linalg.solve(K, s))


def prior(parameters, S, times):
    """Eq. 21."""
    total = 0
    for k in range(S.shape[1]):
        hyper = [np.exp(parameters[f"log_{name}"][k]) for name in ("length_scale", "sigma_f", "jitter")]
        total = total - log_density(S[:, k], covariance(times, *hyper))
    return total


# --- section 2.4: mixing and reconstruction ------------------------------------------------------------


def mix(mixing, S):
    """Eqs. 5 and 22: A s, an MLP with x sigmoid(x) units, or the sum of both, at every time."""
    rows = []
    for t in range(len(S)):
        row = 0
        if "matrix" in mixing:
            row = row + linear(mixing["matrix"], S[t])
        if "layers" in mixing:
            layers = mixing["layers"]
            first = [np.column_stack([layers[0][0], np.zeros(len(layers[0][1]))]), layers[0][1]]
            row = row + network([first, *layers[1:]], S[t], 0.0)  # the same network, without a level
        rows.append(row)
    return np.array(rows)


def linear(matrix, s):
    """A s."""
    y = zeros(len(matrix))
    for j in range(len(matrix)):
        for k in range(len(s)):
            y[j] += matrix[j][k] * s[k]
    return y


def squared_error(Y, mixed):
    """The norm in Eq. 24."""
    total = 0
    for t in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            total = total + (Y[t, j] - mixed[t, j]) ** 2
    return total


def reconstruction(Y, mixed, nu_y):
    """Eq. 24, which is Eq. 23 up to a constant."""
    return squared_error(Y, mixed) / (2 * nu_y)


def normalise_columns(matrix):
    """Algorithm 1, line 21."""
    result = zeros(*matrix.shape)
    for k in range(matrix.shape[1]):
        norm = np.sqrt(sum(matrix[j, k] ** 2 for j in range(matrix.shape[0])))
        for j in range(matrix.shape[0]):
            result[j, k] = matrix[j, k] / norm
    return result


# --- sections 2.5 to 2.7: objective --------------------------------------------------------------------


def forward_noising(s, eta, alpha_bar):
    """Eq. 25."""
    noisy = zeros(len(s))
    for t in range(len(s)):
        noisy[t] = math.sqrt(alpha_bar) * s[t] + math.sqrt(1 - alpha_bar) * eta[t]
    return noisy


def denoising(parameters, S, taus, etas, alpha_bar):
    """Eqs. 26 and 27 for one tau and one eta for each source."""
    n_samples, n_sources = S.shape
    length = len(alpha_bar) - 1
    total = 0
    for k in range(n_sources):
        noisy = forward_noising(S[:, k], etas[k], alpha_bar[taus[k]])
        predicted = network(parameters["networks"][k], noisy, taus[k] / length)
        for t in range(n_samples):
            total = total + (predicted[t] - etas[k][t]) ** 2 / n_samples
    return total / n_sources


def start_kl(parameters):
    """Eqs. 28 to 30."""
    total = 0
    for mean, log_sigma in zip(parameters["mean"], parameters["log_sigma"], strict=True):
        for t in range(len(mean)):
            sigma = np.exp(log_sigma[t])
            total = total + 0.5 * (mean[t] ** 2 + sigma**2 - 1 - np.log(sigma**2))
    return total


def terms(parameters, Y, times, noise, schedule, nu_y):
    """One epoch up to line 17 of Algorithm 1; ``noise`` is (start (n, T), tau (n,), eta (n, T))."""
    alpha_bar = alpha_bars(*schedule)
    eps, taus, etas = noise
    S = generate(parameters, eps, alpha_bar)
    return {
        "reconstruction": reconstruction(Y, mix(parameters["mixing"], S), nu_y),
        "prior": prior(parameters, S, times),
        "diffusion": denoising(parameters, S, taus, etas, alpha_bar),
        "kl": start_kl(parameters),
    }


def total(every, lambdas):
    """Eq. 31, with the halves of Eqs. 21 and 30 that Eq. 32 leaves out (Algorithm 1, line 18)."""
    return (
        every["reconstruction"]
        + lambdas["prior"] * every["prior"]
        + lambdas["diffusion"] * every["diffusion"]
        + lambdas["kl"] * every["kl"]
    )


def adam(value, gradient, memory, count, rate):
    """One step of Kingma & Ba (2015), Algorithm 1, on a flat list; ``memory`` is (m, v), ``count`` starts at one."""
    moved, m, v = np.array(value), np.array(memory[0]), np.array(memory[1])
    for i in range(len(moved)):
        m[i] = 0.9 * m[i] + 0.1 * gradient[i]
        v[i] = 0.999 * v[i] + 0.001 * gradient[i] ** 2
        m_hat, v_hat = m[i] / (1 - 0.9**count), v[i] / (1 - 0.999**count)
        moved[i] = moved[i] - rate[i] * m_hat / (math.sqrt(v_hat) + 1e-8)
    return moved, (m, v)


# --- section 2.8: Monte Carlo estimation ---------------------------------------------------------------


def monte_carlo(draws):
    """Eqs. 34 and 35 of ``draws (R, T, n)``."""
    n_draws, n_samples, n_sources = draws.shape
    mean, spread = np.zeros((n_samples, n_sources)), np.zeros((n_samples, n_sources))
    for t in range(n_samples):
        for k in range(n_sources):
            mean[t, k] = sum(draws[r, t, k] for r in range(n_draws)) / n_draws
            squares = sum((draws[r, t, k] - mean[t, k]) ** 2 for r in range(n_draws))
            spread[t, k] = math.sqrt(squares / (n_draws - 1))
    return mean, spread
