"""Statistics against closed formulas: profiles, levels, intervals, pulls."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from malaphoric import store
from malaphoric.data.likelihood import Constraint, Likelihood
from malaphoric.inference import statistics
from malaphoric.inference.results import Curve
from malaphoric.physics.parameters import BY_NAME
from malaphoric.report.paper import FITS
from malaphoric.report.paper import PARAMETERS as NAMES
from malaphoric.scan.grid import Grid
from malaphoric.scan.merging import STATUS

MINIMUM = np.array([-0.6, 0.1, -0.15])
COVARIANCE = np.array([[0.04, 0.001, 0.0], [0.001, 0.0004, 0.0003], [0.0, 0.0003, 0.0009]])
PRECISION = np.linalg.inv(COVARIANCE)


def parabola(points):
    """A chi2 with known minimum, errors and correlations, all of it in "quarks"."""
    d = np.atleast_2d(points) - MINIMUM
    value = 100 + np.einsum("ni,ij,nj->n", d, PRECISION, d)
    return {"quarks": value, "LEP2": np.full(len(d), 1.0), "global": value + 1}


def test_levels():
    """Tables of the chi2 distribution: 68%, 95% for one and two parameters."""
    assert statistics.delta_chi2_level(0.95, 1) == pytest.approx(3.841, abs=1e-3)
    assert statistics.delta_chi2_level(0.95, 2) == pytest.approx(-2 * np.log(0.05))
    assert statistics.delta_chi2_level(0.68, 2) == pytest.approx(-2 * np.log(0.32))


def test_p_value():
    """exp(-x/2) for two degrees of freedom; the paper's Table 1."""
    assert statistics.p_value(7.0, 2) == pytest.approx(np.exp(-3.5))
    assert statistics.p_value(624, 509) == pytest.approx(3.4e-4, rel=0.1)


def test_profile_of_a_parabola_is_exact():
    """Three points fix a parabola: its minimum, between the nodes too."""
    axis = np.linspace(-1, 1, 9)
    centre = np.array([-0.33, 0.0, 0.41])
    chi2 = 5 + 3 * (axis - centre[:, np.newaxis]) ** 2
    minimum, position = statistics.profile_last_axis(chi2, axis)
    np.testing.assert_allclose(minimum, 5, atol=1e-12)
    np.testing.assert_allclose(position, centre, atol=1e-12)


def test_profile_at_an_edge_or_beside_a_hole_is_the_smallest_value():
    """No parabola through points that do not exist."""
    axis = np.arange(4.0)
    nan = np.nan
    chi2 = np.array([[1.0, 2, 3, 4], [nan, 2, 3, 4], [nan, nan, nan, nan], [5, nan, 1, 0.5]])
    minimum, position = statistics.profile_last_axis(chi2, axis)
    np.testing.assert_array_equal(minimum, [1, 2, nan, 0.5])
    np.testing.assert_array_equal(position, [0, 1, nan, 3])


def test_intervals():
    """|x - 1| < 2 of a parabola; an end outside the scan is None; two separate pieces."""
    x = np.linspace(-4, 4, 801)
    (low, high), *rest = statistics.intervals(x, (x - 1) ** 2, 4.0)
    assert (low, high) == (pytest.approx(-1, abs=1e-3), pytest.approx(3, abs=1e-3))
    assert not rest
    assert statistics.intervals(x, (x - 3) ** 2, 4.0)[0][1] is None
    assert len(statistics.intervals(x, (x**2 - 4) ** 2, 1.0)) == 2


@pytest.mark.parametrize("edge", [1.57, np.pi / 2, 1.575])
def test_an_interval_across_the_border_of_a_period_is_one(edge):
    """Truth: chi2 = (tan(x - 1.56) / 0.02)^2 has the period pi; below 1 within atan(0.02)."""
    x = np.linspace(-edge, edge, 4001)
    curves = {"theta_R": Curve(x, (np.tan(x - 1.56) / 0.02) ** 2)}
    level = statistics.special.gammainc(0.5, 0.5)  # of height 1
    half = np.arctan(0.02)
    (found,) = statistics.all_intervals(curves, [level])["theta_R"].values()
    assert found == [pytest.approx([1.56 - half, 1.56 + half], abs=1e-3)]
    about = {"theta_R": replace(BY_NAME["theta_R"], period=2 * np.pi)}
    (found,) = statistics.all_intervals(curves, [level], about)["theta_R"].values()
    assert [low is None for low, _ in found] == [True, False]


def test_few_values_in_a_region_are_said(tmp_path):
    """|g - 0.1| < 1.51 * 0.02 (68%, two parameters): three values in steps of 0.02.

    All values of epsilon_hat are in the region: there is no border to draw.
    """
    axes = (np.linspace(-0.2, 0.2, 3), np.linspace(0, 0.3, 16), np.linspace(-0.4, 0.4, 81))

    def narrow(points):
        _, g, t = points.T
        return {"global": ((g - 0.1) / 0.02) ** 2 + (t / 0.1) ** 2}

    write_scan(tmp_path / "scan.h5", axes, narrow)
    found = statistics.profile(tmp_path / "scan.h5", tmp_path / "profile.h5").notes
    assert found == {
        "The grid is coarse for the regions drawn: the 68% region has 3 values of g_hat, in steps "
        "of 0.02; 0.005 would do.": ("regions",)
    }


def small_likelihood():
    """Two observables, the second measured twice."""

    def normal(column, central, deviation):
        arrays = {"central": np.array([central]), "covariance": np.array([[deviation**2]])}
        return Constraint("quarks", "m", "normal", np.array([column]), arrays)

    return Likelihood(
        observables=["a", ("b", 1.0, 6.0)],
        constraints=[normal(0, 1.0, 0.5), normal(1, 2.0, 1.0), normal(1, 4.0, 1.0)],
        sm=np.array([2.0, 3.0]),
        theory_uncertainty=np.array([0.3, 0.0]),
    )


def test_pulls():
    """(prediction - weighted average) / uncertainty by hand."""
    best = {"points": np.zeros((2, 3)), "predictions": np.array([[9.0, 9.0], [1.5, 5.0]])}
    first, second = statistics.pulls(statistics.best_prediction(best), small_likelihood())
    assert first["pull_sm"] == pytest.approx(2)
    assert first["pull"] == pytest.approx(1)
    assert first["change"] == pytest.approx(-1)
    assert first["uncertainty_experiment"] == pytest.approx(0.4)
    assert second["observable"] == "b 1 6"
    assert second["experiment"] == pytest.approx(3)
    assert second["pull"] == pytest.approx(2 * 2**0.5)


def test_pulls_without_a_best_fit():
    """What is of the best fit stays empty; the Standard Model's numbers are there."""
    best = {"points": np.zeros((0, 3)), "predictions": np.zeros((0, 2))}
    first, _ = statistics.pulls(statistics.best_prediction(best), small_likelihood())
    assert (first["prediction"], first["pull"], first["change"]) == ("", "", "")
    assert first["pull_sm"] == pytest.approx(2)


def write_scan(path, axes, chi2, M_X=3000.0, status=None, names=NAMES):
    """A scan as `scan.merge` writes it, of chi2 (category, ...) or a function of points."""
    grid = Grid(tuple(names), tuple(axes))
    values = chi2
    if callable(chi2):
        values = {name: v.reshape(grid.shape) for name, v in chi2(grid.points()).items()}
    status = np.where(np.isnan(values["global"]), 1, 0) if status is None else status
    attributes = {"theory": {"M_X": M_X}, "status_values": STATUS, "parameters": list(names)}
    with store.create(path, **attributes) as file:
        file["category"] = list(values)
        for name, axis in zip(names, axes, strict=True):
            file[name] = axis
        file["chi2"] = np.stack(list(values.values()))
        file["status"] = status.astype("u1")


def nothing(points):
    """chi2 where no CKM elements can be extracted."""
    return {name: np.full(len(points), np.nan) for name in ("quarks", "LEP2", "global")}


def test_profile_file_of_a_known_scan(tmp_path):
    """Minimum over theta_sb by closed formula, best points, profiles of one parameter."""
    grid = Grid.from_dict(
        {
            "epsilon_hat": {"min": -1.2, "max": 0.3, "points": 31},
            "g_hat": {"min": 0, "max": 0.2, "points": 41},
            "theta_sb": {"min": -0.4, "max": 0.1, "points": 51},
        }
    )
    write_scan(tmp_path / "scan.h5", grid.axes, parabola)
    found = statistics.profile(tmp_path / "scan.h5", tmp_path / "profile.h5", fits=FITS)
    assert found.best.values["epsilon_hat"] == pytest.approx(-0.6)
    assert found.best.values["g_hat"] == pytest.approx(0.1)
    assert found.fits["unmixed"].values["epsilon_hat"] == 0
    assert found.notes == {}
    for number, name in enumerate(NAMES):  # where the profile of each parameter is
        points = np.array(found.lines[name])
        rows = grid.points()[np.abs(grid.points()[:, 0]) <= 1]
        chi2 = parabola(rows)["global"]
        for point in points[::7]:
            expected = chi2[rows[:, number] == point[number]].min()
            assert parabola(point)["global"][0] == pytest.approx(expected)
    marginal = np.linalg.inv(COVARIANCE[:2, :2])
    d = np.stack(np.meshgrid(*grid.axes[:2], indexing="ij"), -1) - MINIMUM[:2]
    expected = 101 + np.einsum("abi,ij,abj->ab", d, marginal, d)
    with store.read(tmp_path / "profile.h5") as file:
        inside = expected < 110  # where the minimum lies inside the axis
        np.testing.assert_allclose(file["chi2"][-1][inside], expected[inside], atol=1e-6)
        x = file["epsilon_hat"][:]
        physical = np.isfinite(file["chi2_epsilon_hat"][-1])
        np.testing.assert_array_equal(physical, np.abs(x) <= 1)
        near = np.abs(x + 0.6) < 0.35
        np.testing.assert_allclose(
            file["chi2_epsilon_hat"][-1][near],
            101 + (x[near] + 0.6) ** 2 / COVARIANCE[0, 0],
            atol=1e-2,
        )


def test_every_plane_and_line_of_four_parameters(tmp_path):
    """A chi2 of second order: minima over the others by closed formula, and where they are.

    M_X is one of the parameters: of the last plane, points with |epsilon| > 1 are left out.
    """
    names = ("epsilon_hat", "g_hat", "theta_sb", "M_X")
    centre, unit = np.array([-0.5, 0.1, -0.2, 2500.0]), np.array([0.4, 0.05, 0.2, 600.0])
    axes = [
        c + u * np.linspace(-2, 2, n) for c, u, n in zip(centre, unit, (9, 8, 7, 9), strict=True)
    ]
    shape = np.array([[1, 0.2, 0.1, 0], [0.2, 1, 0.3, 0.1], [0.1, 0.3, 1, 0.2], [0, 0.1, 0.2, 1]])

    def chi2(points):
        d = (points - centre) / unit
        return {"global": 5 + np.einsum("ni,ij,nj->n", d, shape, d)}

    write_scan(tmp_path / "scan.h5", axes, chi2, None, names=names)
    found = statistics.profile(tmp_path / "scan.h5", tmp_path / "profile.h5", fits=FITS)
    grid = Grid(names, tuple(axes))
    points, every = grid.points(), chi2(grid.points())["global"]
    physical = np.abs(points[:, 0]) * points[:, 3] <= 3000
    best = every[physical].argmin()
    assert found.best.chi2["global"] == every[physical][best]
    assert found.columns == list(names)
    with store.read(tmp_path / "profile.h5") as file:
        assert sorted(file["planes"]) == sorted(
            f"{x}-{y}" for x, y in list(itertools.combinations(names, 2))[1:]
        )
        for pair in itertools.combinations(names, 2):
            plane = file if pair == names[:2] else file[statistics.plane_group(pair)]
            i, j = map(names.index, pair)
            lowest = np.full((len(axes[i]), len(axes[j])), np.inf)
            index = np.unravel_index(np.arange(grid.size), grid.shape)
            allowed = physical if pair != ("epsilon_hat", "M_X") else np.ones(grid.size, bool)
            np.minimum.at(lowest, (index[i][allowed], index[j][allowed]), every[allowed])
            free = [k for k in range(4) if k not in (i, j)]
            schur = shape[np.ix_([i, j], [i, j])] - shape[np.ix_([i, j], free)] @ np.linalg.solve(
                shape[np.ix_(free, free)], shape[np.ix_(free, [i, j])]
            )
            d = np.stack(
                np.meshgrid(*((axes[k] - centre[k]) / unit[k] for k in (i, j)), indexing="ij"), -1
            )
            bound = 5 + np.einsum("abi,ij,abj->ab", d, schur, d)
            values = plane["chi2"][0]
            assert (values <= lowest + 1e-9).all()
            assert (values >= bound - 1e-9).all()
            if pair == names[:2]:  # all is physical there, and minima lie inside the grid
                np.testing.assert_allclose(values[4, 2:6], bound[4, 2:6], atol=1e-9)
            assert {f"{names[k]}_best" for k in free} <= set(plane)
        for number, name in enumerate(names):
            line = file[f"chi2_{name}"][0]
            for value, height in zip(axes[number], line, strict=True):
                on_it = physical & (points[:, number] == value)
                assert height <= every[on_it].min() + 1e-9


def test_a_scan_of_nothing_but_nan_is_a_result(tmp_path):
    """No best point, and a sentence with the numbers of points and the reasons."""
    axes = (np.linspace(-0.9, 0, 2), np.linspace(0.25, 0.28, 3), np.linspace(-0.9, -0.7, 4))
    status = np.ones((2, 3, 4))
    status[0, 0, 0] = 2
    write_scan(tmp_path / "scan.h5", axes, nothing, status=status)
    found = statistics.profile(tmp_path / "scan.h5", tmp_path / "profile.h5", fits=FITS)
    assert (found.all, found.fits, found.best) == ({}, {}, None)
    assert all(line == [] for line in found.lines.values())
    (note,) = found.notes
    assert "of 24 points" in note
    assert "23 have no CKM elements" in note
    assert "1 ended in an error" in note
    with store.read(tmp_path / "profile.h5") as file:
        assert store.parse(file.attrs["notes"]) == [note]
        assert np.isnan(file["chi2"][:]).all()
    curves = statistics.grid_profiles(tmp_path / "profile.h5")
    assert curves["theta_sb"].as_dict() == {"values": [], "chi2": []}
    intervals = statistics.all_intervals(curves, [0.68, 0.95])
    assert intervals["theta_sb"] == {"0.68": [], "0.95": []}


def test_a_box_beyond_the_physical_limit_has_no_best_fit(tmp_path):
    """|epsilon| > 1 everywhere: chi2 is there, but nothing to fit."""
    axes = (np.linspace(1.1, 1.5, 3), np.linspace(0, 0.2, 3), np.linspace(-0.2, 0.2, 3))
    write_scan(tmp_path / "scan.h5", axes, parabola)
    found = statistics.profile(tmp_path / "scan.h5", tmp_path / "profile.h5", fits=FITS)
    assert (found.all, found.fits) == ({}, {})
    assert list(found.notes) == [
        "No point of the scan is physical: |epsilon| > 1 at all 27 points, so there is no best fit."
    ]


@pytest.mark.parametrize("fixed", [{}, {"theta_R": 0.3}], ids=["", "with a fixed angle"])
@pytest.mark.parametrize(("points", "ragged"), [(11, True), (61, False)])
@pytest.mark.parametrize("alone", [False, True], ids=["profiled", "in the plane"])
def test_steps_that_do_not_resolve_a_contour_are_said(tmp_path, points, ragged, fixed, alone):
    """A valley of theta_sb as wide as 0.01 at g_hat = 0.3: steps of 0.02 are too many for it.

    chi2 = ((g * theta_sb + 0.03) / 0.003)^2: a parabola dips by step^2 (g / 0.003)^2 / 4 at most.
    """
    first = np.array([-0.1]) if alone else np.linspace(-0.2, 0.2, 3)
    axes = (first, np.linspace(0.1, 0.3, 21), np.linspace(-0.4, -0.0, points))

    def valley(points):
        e, g, t = points.T[:3]
        value = ((g * t + 0.03) / 0.003) ** 2 + ((g - 0.2) / 0.03) ** 2
        return {"quarks": value, "LEP2": 0 * e, "global": value}

    axes, names = (*axes, *np.array([*fixed.values()]).reshape(-1, 1)), (*NAMES, *fixed)
    write_scan(tmp_path / "scan.h5", axes, valley, names=names)
    found = statistics.profile(tmp_path / "scan.h5", tmp_path / "profile.h5").notes
    notes = list(found)
    assert len(notes) == ragged
    if ragged:
        assert ("fig2" in found[notes[0]]) is not alone
        assert "Steps of theta_sb of 0.04 do not resolve the contours of quarks, global" in notes[0]
        assert ("(unmixed)" in notes[0]) is not alone
        enough = float(notes[0].split("; ")[1].split()[0])
        # at the largest g_hat of the region
        assert enough == pytest.approx((4 * 0.5) ** 0.5 * 0.003 / 0.25, rel=0.15)


def test_islands_of_the_95_region_are_said(tmp_path):
    """A valley that is too narrow for the steps at g_hat above 0.2, outside the 68% region."""
    axes = (np.linspace(-0.2, -0.1, 3), np.linspace(0.1, 0.3, 81), np.linspace(-0.4, -0.0, 35))

    def valley(points):
        _, g, t = points.T
        return {"global": ((g * t + 0.03) / 0.0012) ** 2 * (g > 0.2) + ((g - 0.1) / 0.065) ** 2}

    write_scan(tmp_path / "scan.h5", axes, valley)
    (note,) = statistics.profile(tmp_path / "scan.h5", tmp_path / "profile.h5").notes
    assert "contours of global, which" in note
