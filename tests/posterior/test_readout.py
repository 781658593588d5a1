from __future__ import annotations

import numpy as np
import pytest

from stradiff.posterior import Readout, choose_readout

T = 400
TIME = np.linspace(0, 1, T)
SLOW, MIDDLE, FAST = (np.sin(2 * np.pi * cycles * TIME + 0.3) for cycles in (2, 9, 31))


@pytest.fixture
def raw():
    """Three sources out of order, of other scales and signs than those shown."""
    return np.column_stack([5.0 * FAST, -0.1 * SLOW, 2.0 * MIDDLE + 7.0])


@pytest.fixture
def observed(raw):
    """A channel mostly of each source; the weight of the fast one is negative."""
    return np.column_stack([SLOW + 0.2 * FAST, MIDDLE - 0.3 * SLOW, 0.1 * MIDDLE - FAST])


def test_slowest_first_unit_variance_and_the_sign_of_the_strongest_channel(raw, observed):
    readout = choose_readout(raw, observed)
    shown = readout.show(raw)
    assert readout.order.tolist() == [1, 2, 0]
    np.testing.assert_allclose(shown.std(axis=0), 1.0, rtol=1e-12)
    expected = np.column_stack([SLOW, MIDDLE, -FAST])
    for k in range(3):
        assert np.corrcoef(shown[:, k], expected[:, k])[0, 1] > 0.999


def test_the_rule_does_not_depend_on_what_came_out_of_the_fit(raw, observed):
    """Another order, scale and sign of the raw sources are shown as the same sources."""
    shown = choose_readout(raw, observed).show(raw)
    other = raw[:, [2, 0, 1]] * [-3.0, 0.01, -50.0]
    np.testing.assert_allclose(choose_readout(other, observed).show(other), shown, rtol=1e-9)


@pytest.mark.parametrize("shape", [(3,), (T, 3), (5, T, 3)])
def test_hiding_undoes_showing(raw, observed, shape):
    readout = choose_readout(raw, observed)
    values = np.random.default_rng(0).standard_normal(shape)
    np.testing.assert_allclose(readout.hide(readout.show(values)), values, rtol=1e-12)
    np.testing.assert_allclose(readout.show(readout.hide(values)), values, rtol=1e-12)


def test_single_precision_is_kept(raw, observed):
    readout = choose_readout(raw, observed)
    assert readout.show(raw.astype(np.float32)).dtype == np.float32
    assert readout.hide(raw.astype(np.float32)).dtype == np.float32


def test_spreads_are_scaled_and_never_negative():
    readout = Readout(np.array([1, 0]), np.array([-2.0, 0.5]))
    np.testing.assert_array_equal(readout.spread(np.array([[1.0, 3.0]])), [[6.0, 0.5]])


def test_a_vanished_source_comes_last_and_stays_finite(raw, observed):
    raw[:, 1] = 3.0
    readout = choose_readout(raw, observed)
    assert readout.order[-1] == 1
    assert np.isfinite(readout.show(raw)).all() and readout.gain.all()
