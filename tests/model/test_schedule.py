from __future__ import annotations

import numpy as np
import pytest

from stradiff.errors import OptionError
from stradiff.model import Schedule

every_schedule = pytest.mark.parametrize("kind", ["linear", "cosine"])
every_length = pytest.mark.parametrize("length", [1, 2, 20, 1000])


@every_length
@every_schedule
def test_alpha_bar_starts_at_one_and_falls(kind, length):
    alpha_bar = Schedule(length, kind).alpha_bar
    assert alpha_bar.shape == (length + 1,)
    assert alpha_bar[0] == 1.0
    assert (np.diff(alpha_bar) < 0).all()
    assert alpha_bar[-1] > 0, "Eq. 13 divides by its root"


@every_length
@every_schedule
def test_alpha_bar_is_the_product_of_one_minus_beta(kind, length):
    schedule = Schedule(length, kind)
    assert ((schedule.beta > 0) & (schedule.beta < 1)).all()
    np.testing.assert_allclose(schedule.alpha_bar[1:] / schedule.alpha_bar[:-1], 1 - schedule.beta, rtol=1e-12)


@every_length
def test_linear_is_that_of_ho_et_al(length):
    beta = Schedule(length, "linear", beta_first=1e-3, beta_last=0.1).beta
    np.testing.assert_allclose(beta, [1e-3 + (0.1 - 1e-3) * i / max(length - 1, 1) for i in range(length)], rtol=1e-12)


@every_length
def test_cosine_is_that_of_nichol_and_dhariwal(length):
    """abar_tau = f(tau) / f(0), f(tau) = cos((tau / L + s) / (1 + s) pi / 2)^2, but for the last beta, cut at 0.999."""
    tau = np.arange(length + 1)
    f = np.cos((tau / length + 0.008) / 1.008 * np.pi / 2) ** 2
    schedule = Schedule(length, "cosine")
    np.testing.assert_allclose(schedule.alpha_bar[:-1], (f / f[0])[:-1], rtol=1e-9)
    assert schedule.beta[-1] == 0.999


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"kind": "sigmoid"}, "no noise schedule 'sigmoid'"),
        ({"length": 0}, "at least 1, not 0"),
        ({"beta_first": 0.0}, "0 < beta_first"),
        ({"beta_first": 0.3, "beta_last": 0.2}, "beta_first <= beta_last"),
        ({"beta_last": 1.0}, "beta_last < 1"),
        ({"beta_last": float("nan")}, "beta_last < 1"),
    ],
)
def test_refusals(options, reason):
    with pytest.raises(OptionError, match=reason):
        Schedule(**options)
