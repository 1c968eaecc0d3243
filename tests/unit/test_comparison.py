"""Closed formulas of the paper, written out again for the B3-L2 model."""

import numpy as np
import pytest

from malaphoric import comparison
from malaphoric.model import Model
from malaphoric.smeft import g_prime

CKM = {"Vus": 0.2253, "Vcb": 0.0420, "Vub": 0.00415, "gamma": 1.18}
POINT = (-0.92, 0.078, -0.17)


def test_c9_and_c10_are_eq_4_4():
    """(4.4): C9 by the couplings, C10 = 0."""
    epsilon, g, theta = POINT
    values = comparison.closed_formulas(Model.load("b3-l2"), POINT, 3000.0, CKM)
    s2w, alpha, g_f = 0.2312, 1 / 127.95, 1.1663788e-5
    k = 2 * np.sqrt(2) * np.pi**2 / (4 * np.pi * alpha * g_f)
    common = -g * np.sin(2 * theta) / 3000**2
    mixing = g_prime(3000.0) * epsilon * (s2w - 1)
    ratio = values["C9_mu"] / values["C9_e"]
    assert ratio == pytest.approx((3 * g + mixing) / mixing)
    vts = -0.0420 * (1 - 0.2253**2 / 2) - 0.2253 * 0.00415 * np.cos(1.18)
    assert values["C9_mu"] == pytest.approx(k / vts * common * (3 * g + mixing))
    assert values["C10_mu"] == values["C10_e"] == 0


def test_delta_m_s_is_eq_4_6():
    """(4.6) grows with (g sin 2 theta)^2 and does not know epsilon."""
    model = Model.load("b3-l2")
    value = comparison.closed_formulas(model, POINT, 3000.0, CKM)["DeltaM_s"]
    unmixed = comparison.closed_formulas(model, (0.0, *POINT[1:]), 3000.0, CKM)["DeltaM_s"]
    doubled = comparison.closed_formulas(model, (0.0, 2 * POINT[1], POINT[2]), 3000.0, CKM)
    assert value == pytest.approx(unmixed)
    assert value > 1
    assert doubled["DeltaM_s"] - 1 == pytest.approx(4 * (value - 1))


@pytest.mark.slow
def test_running_explains_the_difference():
    """wilson's coefficients at 4.8 GeV: within 15% of (4.4), C10 below 5% of C9."""
    model = Model.load("b3-l2")
    closed = comparison.closed_formulas(model, POINT, 3000.0, CKM)
    full = comparison.run_down(model, POINT, 3000.0, CKM)
    assert full["C9_mu"] == pytest.approx(closed["C9_mu"], rel=0.15)
    assert full["C9_e"] == pytest.approx(closed["C9_e"], rel=0.15)
    assert abs(full["C10_mu"]) < 0.05 * abs(full["C9_mu"])
