"""Best fits of likelihoods with known minima, errors and correlations."""

import numpy as np
import pytest
from scipy import stats

from malaphoric.inference import fits, statistics
from malaphoric.inference.results import Fit, Minimum, ScanResult
from malaphoric.report.paper import FITS
from malaphoric.report.paper import PARAMETERS as NAMES
from malaphoric.scan.grid import Grid
from test_statistics import COVARIANCE, MINIMUM, PRECISION, nothing, parabola, write_scan

AXES = (np.linspace(-1.5, 1.5, 4), np.linspace(0, 0.5, 3), np.linspace(-0.6, 0.6, 5))
GRID = Grid(NAMES, AXES)
BOX = fits.physical_box(GRID, 3000.0)


def test_best_fits_of_a_known_likelihood():
    """Minimum, errors and correlation of a parabola; starting points far away."""
    grid = on_grid(start(0.0, 0.15, -0.05))
    sm = {"quarks": 150.0, "LEP2": 1.0, "global": 151.0}
    n_obs = {"quarks": 100, "LEP2": 10, "global": 110}
    found = fits.best_fits(grid, sm, n_obs, BOX, FITS, parabola)
    mixed, unmixed = found.found["malaphoric"], found.found["unmixed"]
    assert (mixed, unmixed) == (found.main, found.unmixed)
    for i, name in enumerate(("epsilon_hat", "g_hat", "theta_sb")):
        assert mixed.values[name] == pytest.approx(MINIMUM[i], abs=2e-3)
        assert mixed.errors[name] == pytest.approx(COVARIANCE[i, i] ** 0.5, rel=0.05)
    correlation = COVARIANCE[1, 2] / (COVARIANCE[1, 1] * COVARIANCE[2, 2]) ** 0.5
    assert mixed.correlations["g_hat,theta_sb"] == pytest.approx(correlation, abs=0.05)
    assert mixed.dchi2["global"] == pytest.approx(50, abs=1e-3)
    assert mixed.dof == 107
    assert mixed.chi2["global"] + 6 == mixed.AIC
    assert pytest.approx(mixed.chi2["global"] + 3 * np.log(110)) == mixed.BIC
    # at epsilon_hat = 0: the conditional minimum
    free = np.linalg.solve(PRECISION[1:, 1:], PRECISION[1:, 0] * MINIMUM[0])
    np.testing.assert_allclose(
        [unmixed.values["g_hat"], unmixed.values["theta_sb"]], MINIMUM[1:] + free, atol=2e-3
    )
    gain = unmixed.chi2["global"] - mixed.chi2["global"]
    assert gain == pytest.approx(MINIMUM[0] ** 2 / COVARIANCE[0, 0], rel=1e-3)


def test_fits_stay_in_the_box():
    """|epsilon| <= 1 limits epsilon_hat at larger masses, and the scan all; said by name."""
    grid = ScanResult(all={"global": start(0.0, 0.1, -0.1)})
    n_obs, box = dict.fromkeys(SM, 10), fits.physical_box(GRID, 10_000.0)
    found = fits.best_fits(grid, SM, n_obs, box, FITS, parabola)
    assert found.main.at_limit == ["epsilon_hat"]
    assert found.main.values["epsilon_hat"] == pytest.approx(-0.3, abs=1e-3)


SM = {"quarks": 150.0, "LEP2": 1.0, "global": 151.0}
N_OBS = {"quarks": 100, "LEP2": 10, "global": 110}


def start(*point):
    """A starting point, as the grid gives it."""
    chi2 = {name: float(value[0]) for name, value in parabola(point).items()}
    return Minimum(dict(zip(NAMES, point, strict=True)), chi2)


def on_grid(point):
    """A grid with a point that is the best of all, and of epsilon_hat = 0."""
    return ScanResult(all={"global": point}, fits={"unmixed": point})


@pytest.mark.parametrize("chi2", [parabola, None])
@pytest.mark.parametrize(
    ("fixed", "free"),
    [
        ({}, (2, 3)),
        ({"theta_sb": (-0.15, -0.15)}, (1, 2)),
        ({"g_hat": (0.1, 0.1), "theta_sb": (-0.15, -0.15)}, (0, 1)),
        ({"epsilon_hat": (0.0, 0.0)}, (2, 2)),
        ({"g_hat": (0.0, 0.0)}, (1, 2)),
        (dict(zip(NAMES, ((0.0, 0.0), (0.1, 0.1), (-0.15, -0.15)), strict=True)), (0, 0)),
    ],
)
def test_only_free_parameters_are_counted(fixed, free, chi2):
    """One point on an axis is no fitted parameter: dof, p-values and the nested comparison."""
    box = {**BOX, **fixed}
    somewhere = dict(zip(NAMES, (0.0, 0.1, -0.15), strict=True))
    point = start(*({**somewhere, **{k: a for k, (a, _) in fixed.items()}}.values()))
    found = fits.best_fits(on_grid(point), SM, N_OBS, box, FITS, chi2)
    for name, parameters in zip(("unmixed", "malaphoric"), free, strict=True):
        fit = found.found[name]
        assert (fit.parameters, fit.dof) == (parameters, 110 - parameters)
        contained = "g_hat" not in fixed or fixed["g_hat"] == (0.0, 0.0)  # the SM has no coupling
        assert ("SM" in fit.p_value_over) == (parameters > 0 and contained)
        for axis in fixed:
            assert fit.values[axis] == fixed[axis][0]
    assert ("unmixed" in found.main.p_value_over) == (free[1] > free[0])


def test_mixing_that_is_fixed_holds_no_standard_model():
    """With epsilon_hat = -0.3 the boson couples to hypercharge, whatever g_hat."""
    box = {**BOX, "epsilon_hat": (-0.3, -0.3)}
    grid = ScanResult(all={"global": start(-0.3, 0.1, -0.15)})
    found = fits.best_fits(grid, SM, N_OBS, box, FITS, parabola)
    assert found.fixed == {"epsilon_hat": -0.3}
    assert (found.main.parameters, found.main.p_value_over) == (2, {})
    assert found.nested_in("malaphoric") == ["unmixed"]  # of which there is none
    assert type(found).from_dict(found.as_dict()).fixed == found.fixed


def test_nothing_valid_is_no_fit():
    """An empty grid, and an engine that finds no valid point either."""
    for chi2 in (None, nothing):
        found = fits.best_fits(ScanResult(), SM, N_OBS, BOX, FITS, chi2)
        assert (found.unmixed, found.main, found.found) == (None, None, {})
    point = start(0.0, 0.1, -0.15)
    found = fits.best_fits(on_grid(point), SM, N_OBS, BOX, FITS, nothing)
    assert (found.unmixed, found.main, found.found) == (None, None, {})


def test_the_unmixed_fit_needs_no_node():
    """The engine can go to epsilon_hat = 0 where the grid cannot; the grid alone says nothing."""
    grid = ScanResult(all={"global": start(-0.5, 0.1, -0.15)})
    found = fits.best_fits(grid, SM, N_OBS, BOX, FITS, parabola)
    expected = np.linalg.solve(PRECISION[1:, 1:], PRECISION[1:, 0] * MINIMUM[0]) + MINIMUM[1:]
    assert found.unmixed.values["epsilon_hat"] == 0
    assert found.unmixed.values["g_hat"] == pytest.approx(expected[0], abs=2e-3)
    assert fits.best_fits(grid, SM, N_OBS, BOX, FITS).unmixed is None
    away = {**BOX, "epsilon_hat": (-0.9, -0.1)}
    assert fits.best_fits(grid, SM, N_OBS, away, FITS, parabola).unmixed is None


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
    best = Minimum(dict(zip(NAMES, points[np.argmin(value)].tolist(), strict=True)), {})
    return ScanResult(all={"global": best}, columns=list(NAMES), lines=lines)


def intervals(chi2, box=BOX):
    """68% and 95% intervals from minimised profiles, starting from a coarse grid."""
    args = (grid_of(chi2), SM, N_OBS, box, FITS, chi2, [0.68, 0.95])
    found = fits.best_fits_with_profiles(*args)
    return found.main.values, statistics.all_intervals(found.profiles, [0.68, 0.95])


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

    assert grid_of(chi2_of(two)).best.values["g_hat"] == pytest.approx(0.125)
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
    grid = ScanResult(all={"global": start(-0.5, 0.1, -0.15)})
    found = fits.best_fits(
        grid, SM, N_OBS, fits.physical_box(Grid(NAMES, axes), 10_000.0), FITS, parabola
    )
    assert found.main is None


def test_a_profile_follows_a_valley_between_walls():
    """Only neighbours know where a valley g_hat * theta_sb = const goes that walls surround."""

    def valley(points):
        e, g, t = points.T
        value = ((g * t + 0.03) / 0.002) ** 2 + ((g - 0.2) / 0.05) ** 2 + ((e - 0.1) / 0.3) ** 2
        return np.where(np.abs(g * t + 0.03) > 0.008, np.nan, value)

    values = {"epsilon_hat": 0.1, "g_hat": 0.2, "theta_sb": -0.15}
    best = Fit(values=values, errors={"g_hat": 0.05})
    lines = {name: [[0.1, 0.2, -0.15]] for name in NAMES}
    heights = [statistics.delta_chi2_level(0.95, 1)]
    curve = fits.profiles(best, lines, BOX, chi2_of(valley), heights)["g_hat"]
    g = curve.points[:, 1]
    assert np.array_equal(curve.values, g)
    np.testing.assert_allclose(curve.chi2, ((g - 0.2) / 0.05) ** 2, atol=1e-5)
    # with theta_sb of the best fit the walls are at 0.147 and 0.253
    assert g.min() < 0.1
    assert g.max() > 0.4


def test_a_profile_sees_the_hills_of_what_is_not_on_the_grid():
    """Truth: the function; valleys of a width of 0.01 at 0 and at the end of the box."""

    def hills(points):
        e, g, t = points.T
        return (np.sin(np.pi * t / 0.6) / 0.05) ** 2 + (g / 0.1) ** 2 + (e / 0.3) ** 2

    values = dict(zip(NAMES, (0.0, 0.0, 0.0), strict=True))
    best = Fit(values=values, errors={"theta_sb": 0.0095})
    curve = fits.profiles(best, {name: [] for name in NAMES}, BOX, chi2_of(hills), [3.84])
    theta, chi2 = curve["theta_sb"].values, curve["theta_sb"].chi2
    np.testing.assert_allclose(chi2, (np.sin(np.pi * theta / 0.6) / 0.05) ** 2, atol=1e-4)
    assert chi2[(theta > 0.1) & (theta < 0.5)].min() > 90
    assert np.diff(theta).max() < 0.06
    inside = chi2 < 3.84
    assert set(np.abs(theta[inside]).round(1)) == {0.0, 0.6}


def test_a_profile_has_no_gaps_where_the_ckm_extraction_fails():
    """Truth: the function; between the valleys at 0 and 0.6 strong couplings have no chi2.

    The best fit is there, so that nothing but a weak coupling leads to a value between them.
    """

    def hills(points):
        e, g, t = points.T
        hill = np.abs(np.sin(np.pi * t / 0.6))
        value = (hill / 0.05) ** 2 * (g / 0.2) ** 2 + ((g - 0.2) / 0.04) ** 2 + (e / 0.3) ** 2
        return np.where((hill > 0.2) & (g > 0.1), np.nan, value)

    best = Fit(values=dict(zip(NAMES, (0.0, 0.2, 0.0), strict=True)), errors={"theta_sb": 0.0095})
    curves = fits.profiles(best, {name: [] for name in NAMES}, BOX, chi2_of(hills), [1.0])
    curve = curves["theta_sb"]
    assert np.diff(curve.values).max() < 0.06
    pieces = statistics.intervals(curve.values, curve.chi2, 1.0)
    assert [high - low for low, high in pieces[1:-1]] == [pytest.approx(0.0191, rel=0.05)]
    assert pieces[-1] == [pytest.approx(0.6 - 0.0095, abs=1e-3), None]


#: Fits of which some are nested: the third in the fourth, and all in the last.
NAMED = {
    "point": {"epsilon_hat": 0.0, "g_hat": 0.1, "theta_sb": -0.1},
    "valley": {"g_hat": 0.1, "theta_sb": -0.1},
    "plane": {"theta_sb": -0.1},
    "unmixed": {"epsilon_hat": 0.0},
    "whole": {},
}


def conditional(held):
    """Global chi2 of the parabola with parameters held fixed, minimised by linear algebra."""
    fixed = [NAMES.index(name) for name in held]
    d = np.array(list(held.values())) - MINIMUM[fixed]
    return 101 + (d @ np.linalg.solve(COVARIANCE[np.ix_(fixed, fixed)], d) if fixed else 0)


@pytest.mark.parametrize("on_nodes", [True, False])
def test_nested_fits_are_compared_by_wilks(on_nodes):
    """Truth: conditional minima in closed form, scipy's chi2 with the difference in parameters."""
    point = start(-0.5, 0.1, -0.15)
    on_grid = {
        name: Minimum({**point.values, **held}, point.chi2)
        for name, held in NAMED.items()
        if held and on_nodes
    }
    grid = ScanResult(all={"global": point}, fits=on_grid)
    found = fits.best_fits(grid, SM, N_OBS, BOX, NAMED, parabola)
    nested = {
        "point": {},
        "valley": {"point": 1},
        "plane": {"point": 2, "valley": 1},
        "unmixed": {"point": 2},
        "whole": {"point": 3, "valley": 2, "plane": 1, "unmixed": 1},
    }
    for name, others in nested.items():
        fit = found.found[name]
        assert fit.chi2["global"] == pytest.approx(conditional(NAMED[name]), abs=1e-5)
        expected = {
            other: stats.chi2.sf(conditional(NAMED[other]) - conditional(NAMED[name]), fewer)
            for other, fewer in others.items()
        }
        if NAMED[name].get("g_hat", 0) == 0:  # else no value of the others is the SM
            improvement = SM["global"] - conditional(NAMED[name])
            expected["SM"] = stats.chi2.sf(improvement, fit.parameters)
        assert fit.p_value_over == pytest.approx(expected, rel=1e-4)
        assert fit.parameters == 3 - len(NAMED[name])
        assert {k: fit.values[k] for k in NAMED[name]} == NAMED[name]


def test_the_grid_alone_has_fits_at_its_nodes(tmp_path):
    """Truth: brute force; a value between the nodes has no fit, nor one outside the box."""
    axes = (np.linspace(-0.9, 0.3, 5), np.linspace(0, 0.2, 5), np.linspace(-0.3, 0.0, 7))
    wanted = {
        "both": {"epsilon_hat": 0.0, "theta_sb": -0.1},
        "angle": {"theta_sb": -0.1},
        "between": {"theta_sb": -0.12},
        "outside": {"g_hat": 0.3},
        "all": {},
    }
    write_scan(tmp_path / "scan.h5", axes, parabola)
    grid = statistics.profile(tmp_path / "scan.h5", tmp_path / "profile.h5", fits=wanted)
    box = fits.physical_box(Grid(NAMES, axes), 3000.0)
    found = fits.best_fits(grid, SM, N_OBS, box, wanted)
    points = Grid(NAMES, axes).points()
    for name, held in wanted.items():
        rows = points
        for parameter, value in held.items():
            rows = rows[np.isclose(rows[:, NAMES.index(parameter)], value)]
        if not len(rows):
            assert name not in found.found
            continue
        best = rows[parabola(rows)["global"].argmin()]
        assert [found.found[name].values[n] for n in NAMES] == best.tolist()
    minimised = fits.best_fits(grid, SM, N_OBS, box, wanted, parabola)
    assert minimised.found["between"].values["theta_sb"] == -0.12
    assert "outside" not in minimised.found


def test_a_fit_at_a_mass_is_physical_there():
    """|epsilon| <= 1 at M_X = 6 TeV is |epsilon_hat| <= 0.5, in a box that begins at 1 TeV."""
    box = {"epsilon_hat": (-3.0, 3.0), **{n: BOX[n] for n in NAMES[1:]}, "M_X": (1000.0, 9000.0)}
    point = start(-0.2, 0.1, -0.15)
    point.values["M_X"] = 6000.0

    def chi2(points):
        return parabola(points[:, :3])

    wanted = {"heavy": {"M_X": 6000.0}, "any": {}}
    found = fits.best_fits(ScanResult(all={"global": point}), SM, N_OBS, box, wanted, chi2)
    assert found.found["heavy"].values["epsilon_hat"] == pytest.approx(-0.5, abs=1e-3)
    assert found.found["heavy"].at_limit == ["epsilon_hat"]


def double_well(second, category="quarks"):
    """Minima of 10 at theta_sb = -0.2 and of 10 + second at 0.3, 0.05 wide, in a category."""

    def chi2(points):
        e, g, t = points.T
        common = 10 + ((e + 0.4) / 0.2) ** 2 + ((g - 0.1) / 0.03) ** 2
        first, other = ((t + 0.2) / 0.05) ** 2, ((t - 0.3) / 0.05) ** 2 + second
        there = other < first
        value = common + np.where(there, other, first)
        moved = np.where(there & (category != "quarks"), 1.0, 0.0)
        return {"quarks": value - moved, "LEP2": moved, "global": value}

    return chi2


@pytest.mark.parametrize(
    ("second", "category", "named"),
    [
        (1.5, "quarks", True),
        (3.9, "quarks", True),
        (4.1, "quarks", False),
        (0.0, "quarks", False),  # the same in everything: an image of the first
        (0.0, "LEP2", True),  # the same sum of other terms
    ],
)
def test_other_minima_are_named(second, category, named):
    """Truth: the two wells; found whichever of them the only starting point is in."""
    for theta in (-0.25, 0.28):
        grid = ScanResult(all={"global": start(-0.4, 0.1, theta)})
        fit = fits.best_fits(grid, SM, N_OBS, BOX, FITS, double_well(second, category)).main
        assert fit.chi2["global"] == pytest.approx(10, abs=1e-4)
        at = fit.values["theta_sb"]
        if second:
            assert at == pytest.approx(-0.2, abs=1e-3)
        assert len(fit.other_minima) == named
        for other in fit.other_minima:
            assert abs(other.values["theta_sb"] - at) == pytest.approx(0.5, abs=1e-3)
            assert other.chi2["global"] == pytest.approx(10 + second, abs=1e-4)
            assert other.at_limit == []


def test_an_angle_and_its_period_are_one_minimum():
    """Truth: chi2 of sin(2 theta_sb) in a box of two periods; the other sign is another minimum."""

    def chi2(points):
        e, g, t = points.T
        angle = (np.sin(2 * t) + 0.5) / 0.1
        value = 10 + ((e + 0.4) / 0.2) ** 2 + ((g - 0.1) / 0.03) ** 2 + angle**2 * (angle - 8) ** 2
        return {"quarks": value + 0.2 * angle, "LEP2": 0 * t, "global": value + 0.2 * angle}

    grid = ScanResult(all={"global": start(-0.4, 0.1, -0.2)})
    box = {**BOX, "theta_sb": (-np.pi, np.pi)}
    fit = fits.best_fits(grid, SM, N_OBS, box, FITS, chi2).main
    (other,) = fit.other_minima
    assert np.sin(2 * fit.values["theta_sb"]) == pytest.approx(-0.5, abs=1e-2)
    assert np.sin(2 * other.values["theta_sb"]) == pytest.approx(0.3, abs=1e-2)


@pytest.mark.parametrize("place", [1.5735, -1.5681])
def test_a_minimum_at_the_border_of_a_period_is_one(place):
    """Truth: 1.5735 and 1.5735 - pi are the same, and one of them is at no limit of the box."""

    def chi2(points):
        e, g, t = points.T
        value = 10 + ((e + 0.4) / 0.2) ** 2 + ((g - 0.1) / 0.03) ** 2
        value = value + (np.tan(t - 1.5735) / 0.05) ** 2
        return {"quarks": value, "LEP2": 0 * t, "global": value}

    grid = ScanResult(all={"global": start(-0.4, 0.1, place)})
    box = {**BOX, "theta_sb": (-1.575, 1.575)}
    fit = fits.best_fits(grid, SM, N_OBS, box, FITS, chi2).main
    assert fit.values["theta_sb"] == pytest.approx(1.5735 - np.pi, abs=1e-4)
    assert (fit.at_limit, fit.other_minima) == ([], [])
