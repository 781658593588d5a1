"""Whether the reconstruction is as good as the noise it assumes."""

from __future__ import annotations

from stradiff.assess.diagnostics.finding import Finding, percent

TOLERATED = 2.0  # times nu_y: the spread of a mean of squares over a hundred samples and more stays well below


def misfit(error: float, nu_y: float, n_sources: int, n_channels: int, *, linear: bool) -> list[Finding]:
    """``error``: mean squared distance of the normalised recording from its reconstruction at the end of training."""
    if not error > TOLERATED * nu_y:
        return []
    means = ["train longer"]
    if n_sources < n_channels:
        means.append("use more n_components")
    if linear:
        means.append("try a nonlinear map (mixing='mlp')")
    sentence = (
        f"The reconstruction misses {percent(error)} of the normalised recording's variance, more than the noise of "
        f"{percent(nu_y)} that was assumed; {', or '.join(means)}, or set nu_y={error:.2g} if that much is noise."
    )
    return [Finding("misfit", "warning", (), sentence)]
