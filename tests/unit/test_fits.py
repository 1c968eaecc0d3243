"""Best fits of likelihoods with known minima, errors and correlations."""

import numpy as np
import pytest

from malaphoric import fits
from malaphoric.grid import AXES as NAMES
from test_statistics import COVARIANCE, MINIMUM, PRECISION, nothing, parabola

AXES = (np.linspace(-1.5, 1.5, 4), np.linspace(0, 0.5, 3), np.linspace(-0.6, 0.6, 5))
BOX = fits.physical_box(AXES, 3000.0)


def test_best_fits_of_a_known_likelihood():
    """Minimum, errors and correlation of a parabola; starting points far away."""
    start = {"epsilon_hat": 0.0, "g_hat": 0.15, "theta_sb": -0.05}
    grid = {"all": {"global": {**start, "chi2": {}}}, "unmixed": {**start, "chi2": {}}}
    sm = {"quarks": 150.0, "LEP2": 1.0, "global": 151.0}
    n_obs = {"quarks": 100, "LEP2": 10, "global": 110}
    found = fits.best_fits(grid, sm, n_obs, BOX, parabola)
    mixed = found["malaphoric"]
    for i, name in enumerate(("epsilon_hat", "g_hat", "theta_sb")):
        assert mixed[name] == pytest.approx(MINIMUM[i], abs=2e-3)
        assert mixed["errors"][name] == pytest.approx(COVARIANCE[i, i] ** 0.5, rel=0.05)
    correlation = COVARIANCE[1, 2] / (COVARIANCE[1, 1] * COVARIANCE[2, 2]) ** 0.5
    assert mixed["correlations"]["g_hat,theta_sb"] == pytest.approx(correlation, abs=0.05)
    assert mixed["dchi2"]["global"] == pytest.approx(50, abs=1e-3)
    assert mixed["dof"] == 107
    # at epsilon_hat = 0: the conditional minimum
    free = np.linalg.solve(PRECISION[1:, 1:], PRECISION[1:, 0] * MINIMUM[0])
    np.testing.assert_allclose(
        [found["unmixed"]["g_hat"], found["unmixed"]["theta_sb"]], MINIMUM[1:] + free, atol=2e-3
    )
    gain = found["unmixed"]["chi2"]["global"] - mixed["chi2"]["global"]
    assert gain == pytest.approx(MINIMUM[0] ** 2 / COVARIANCE[0, 0], rel=1e-3)


def test_fits_stay_in_the_box():
    """|epsilon| <= 1 limits epsilon_hat at larger masses, and the scan all; said by name."""
    start = {"epsilon_hat": 0.0, "g_hat": 0.1, "theta_sb": -0.1, "chi2": {}}
    sm = {"quarks": 150.0, "LEP2": 1.0, "global": 151.0}
    found = fits.best_fits(
        {"all": {"global": start}, "unmixed": None},
        sm,
        dict.fromkeys(sm, 10),
        fits.physical_box(AXES, 10_000.0),
        parabola,
    )
    assert found["malaphoric"]["at_limit"] == ["epsilon_hat"]
    assert found["malaphoric"]["epsilon_hat"] == pytest.approx(-0.3, abs=1e-3)


SM = {"quarks": 150.0, "LEP2": 1.0, "global": 151.0}
N_OBS = {"quarks": 100, "LEP2": 10, "global": 110}


def start(*point):
    """A starting point, as the grid gives it."""
    chi2 = {name: float(value[0]) for name, value in parabola(point).items()}
    return {**dict(zip(NAMES, point, strict=True)), "chi2": chi2}


@pytest.mark.parametrize("chi2", [parabola, None])
@pytest.mark.parametrize(
    ("fixed", "free"),
    [
        ({}, (2, 3)),
        ({"theta_sb": (-0.15, -0.15)}, (1, 2)),
        ({"g_hat": (0.1, 0.1), "theta_sb": (-0.15, -0.15)}, (0, 1)),
        ({"epsilon_hat": (0.0, 0.0)}, (2, 2)),
        (dict(zip(NAMES, ((0.0, 0.0), (0.1, 0.1), (-0.15, -0.15)), strict=True)), (0, 0)),
    ],
)
def test_only_free_parameters_are_counted(fixed, free, chi2):
    """One point on an axis is no fitted parameter: dof, p-values and the nested comparison."""
    box = {**BOX, **fixed}
    point = start(0.0, 0.1, -0.15)
    found = fits.best_fits({"all": {"global": point}, "unmixed": point}, SM, N_OBS, box, chi2)
    for name, parameters in zip(("unmixed", "malaphoric"), free, strict=True):
        fit = found[name]
        assert (fit["parameters"], fit["dof"]) == (parameters, 110 - parameters)
        assert ("p_value_over_SM" in fit) == (parameters > 0)
        for axis in fixed:
            assert fit[axis] == fixed[axis][0]
    assert ("p_value_over_unmixed" in found["malaphoric"]) == (free[1] > free[0])


def test_nothing_valid_is_no_fit():
    """An empty grid, and an engine that finds no valid point either."""
    empty = {"all": {}, "unmixed": None}
    for chi2 in (None, nothing):
        found = fits.best_fits(empty, SM, N_OBS, BOX, chi2)
        assert (found["unmixed"], found["malaphoric"]) == (None, None)
        assert fits.notes(found, BOX, 3000.0) == []
    point = start(0.0, 0.1, -0.15)
    found = fits.best_fits({"all": {"global": point}, "unmixed": point}, SM, N_OBS, BOX, nothing)
    assert (found["unmixed"], found["malaphoric"]) == (None, None)


def test_the_unmixed_fit_needs_no_node():
    """The engine can go to epsilon_hat = 0 where the grid cannot; the grid alone says nothing."""
    grid = {"all": {"global": start(-0.5, 0.1, -0.15)}, "unmixed": None}
    found = fits.best_fits(grid, SM, N_OBS, BOX, parabola)
    expected = np.linalg.solve(PRECISION[1:, 1:], PRECISION[1:, 0] * MINIMUM[0]) + MINIMUM[1:]
    assert found["unmixed"]["epsilon_hat"] == 0
    assert found["unmixed"]["g_hat"] == pytest.approx(expected[0], abs=2e-3)
    assert fits.best_fits(grid, SM, N_OBS, BOX)["unmixed"] is None
    away = {**BOX, "epsilon_hat": (-0.9, -0.1)}
    assert fits.best_fits(grid, SM, N_OBS, away, parabola)["unmixed"] is None
