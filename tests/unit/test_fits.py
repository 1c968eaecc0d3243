"""Best fits of likelihoods with known minima, errors and correlations."""

import numpy as np
import pytest

from malaphoric import fits, statistics
from malaphoric.grid import Grid
from malaphoric.paper import PARAMETERS as NAMES
from test_statistics import COVARIANCE, MINIMUM, PRECISION, nothing, parabola

AXES = (np.linspace(-1.5, 1.5, 4), np.linspace(0, 0.5, 3), np.linspace(-0.6, 0.6, 5))
GRID = Grid(NAMES, AXES)
BOX = fits.physical_box(GRID, 3000.0)


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
    assert mixed["AIC"] == mixed["chi2"]["global"] + 6
    assert mixed["BIC"] == pytest.approx(mixed["chi2"]["global"] + 3 * np.log(110))
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
        fits.physical_box(GRID, 10_000.0),
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


def chi2_of(value):
    """chi2 by category of a function of points."""

    def chi2(points):
        return {"quarks": value(points), "LEP2": 0 * points[:, 0], "global": value(points)}

    return chi2


COARSE = {name: np.linspace(*BOX[name], 5) for name in NAMES}


def grid_of(chi2, axes=COARSE):
    """Best points of a grid, as `statistics.profile` gives them."""
    points = np.stack(np.meshgrid(*axes.values(), indexing="ij"), -1).reshape(-1, 3)
    value = np.nan_to_num(chi2(points)["global"], nan=1e9)
    lines = {
        name: [min(zip(value[at], points[at].tolist(), strict=True))[1] for at in rows]
        for i, name in enumerate(NAMES)
        for rows in [[points[:, i] == x for x in axes[name]]]
    }
    best = dict(zip(NAMES, points[np.argmin(value)].tolist(), strict=True))
    return {"all": {"global": best}, "unmixed": None, "columns": list(NAMES), "lines": lines}


def intervals(chi2, box=BOX):
    """68% and 95% intervals from minimised profiles, starting from a coarse grid."""
    args = (grid_of(chi2), SM, N_OBS, box, chi2, [0.68, 0.95])
    found, curves = fits.best_fits_with_profiles(*args)
    return found["malaphoric"], statistics.all_intervals(curves, [0.68, 0.95])


def test_minimised_intervals_of_a_parabola():
    """Minimum -+ error by closed formula, whatever the grid; None at a limit of the box."""
    fit, found = intervals(parabola)
    for i, name in enumerate(NAMES):
        for level in (0.68, 0.95):
            ((low, high),) = found[name][f"{level:g}"]
            half = (statistics.delta_chi2_level(level, 1) * COVARIANCE[i, i]) ** 0.5
            assert high == pytest.approx(MINIMUM[i] + half, abs=1e-4)
            if name == "epsilon_hat" and level > 0.9:
                assert low == pytest.approx(-0.992, abs=1e-4)
            assert low == pytest.approx(MINIMUM[i] - half, abs=1e-4)
            assert low < fit[name] < high
    fit, found = intervals(parabola, {**BOX, "g_hat": (0.0, 0.11)})
    assert found["g_hat"]["0.68"][0][1] is None
    assert fit["g_hat"] == pytest.approx(0.1, abs=1e-4)


def test_minimised_intervals_in_a_narrow_valley_with_a_wall():
    """chi2 falls along g_hat * theta_sb = const; no CKM elements beyond g_hat = 0.4."""

    def valley(points):
        e, g, t = points.T
        value = ((g * t + 0.03) / 0.002) ** 2 + ((g - 0.2) / 0.05) ** 2 + ((e - 0.1) / 0.3) ** 2
        return np.where(g > 0.4, np.nan, value)

    _, found = intervals(chi2_of(valley))
    (low, high) = found["g_hat"]["0.95"][0]
    half = 0.05 * statistics.delta_chi2_level(0.95, 1) ** 0.5
    assert (low, high) == (pytest.approx(0.2 - half, abs=1e-4), pytest.approx(0.2 + half, abs=1e-4))
    (low, high) = found["theta_sb"]["0.68"][0]
    # by a fine scan of the one parameter that is left
    g = np.linspace(0.01, 0.4, 40_000)
    t = np.linspace(-0.3, -0.1, 2001)
    profile = np.array([valley(np.stack([0.1 + 0 * g, g, x + 0 * g], 1)).min() for x in t])
    ((slow, shigh),) = statistics.intervals(t, profile, statistics.delta_chi2_level(0.68, 1))
    assert (low, high) == (pytest.approx(slow, abs=2e-4), pytest.approx(shigh, abs=2e-4))


def test_separate_intervals_and_a_lower_minimum_are_found():
    """Two minima in g_hat; the grid's best point belongs to the higher one."""

    def two(points):
        e, g, t = points.T
        common = ((e + 0.4) / 0.2) ** 2 + ((t - 0.3) / 0.1) ** 2
        return 10 + common + np.minimum(((g - 0.125) / 0.02) ** 2, ((g - 0.4) / 0.02) ** 2 - 0.5)

    assert grid_of(chi2_of(two))["all"]["global"]["g_hat"] == pytest.approx(0.125)
    fit, found = intervals(chi2_of(two))
    assert fit["g_hat"] == pytest.approx(0.4, abs=1e-3)
    (a, b), (c, d) = found["g_hat"]["0.68"]
    height = statistics.delta_chi2_level(0.68, 1)
    half = 0.02 * (height - 0.5) ** 0.5
    assert (a, b) == pytest.approx((0.125 - half, 0.125 + half), abs=1e-4)
    half = 0.02 * height**0.5
    assert (c, d) == pytest.approx((0.4 - half, 0.4 + half), abs=1e-4)


def test_a_box_beyond_the_physical_limit_has_no_fit():
    """At 10 TeV |epsilon| <= 1 is |epsilon_hat| <= 0.3."""
    axes = (np.linspace(-1.0, -0.5, 6), *AXES[1:])
    grid = {"all": {"global": start(-0.5, 0.1, -0.15)}, "unmixed": None}
    found = fits.best_fits(
        grid, SM, N_OBS, fits.physical_box(Grid(NAMES, axes), 10_000.0), parabola
    )
    assert found["malaphoric"] is None


def test_a_profile_follows_a_valley_between_walls():
    """Only neighbours know where a valley g_hat * theta_sb = const goes that walls surround."""

    def valley(points):
        e, g, t = points.T
        value = ((g * t + 0.03) / 0.002) ** 2 + ((g - 0.2) / 0.05) ** 2 + ((e - 0.1) / 0.3) ** 2
        return np.where(np.abs(g * t + 0.03) > 0.008, np.nan, value)

    best = {"epsilon_hat": 0.1, "g_hat": 0.2, "theta_sb": -0.15, "errors": {"g_hat": 0.05}}
    lines = {name: [[0.1, 0.2, -0.15]] for name in NAMES}
    heights = [statistics.delta_chi2_level(0.95, 1)]
    curve = fits.profiles(best, lines, BOX, chi2_of(valley), heights)["g_hat"]
    g = np.array(curve["points"])[:, 1]
    np.testing.assert_allclose(curve["chi2"], ((g - 0.2) / 0.05) ** 2, atol=1e-5)
    # with theta_sb of the best fit the walls are at 0.147 and 0.253
    assert g.min() < 0.1
    assert g.max() > 0.4
