"""Statistics against closed formulas: profiles, levels, intervals, fits, pulls."""

import numpy as np
import pytest

from malaphoric import statistics, store
from malaphoric.grid import Grid
from malaphoric.likelihood import Constraint, Likelihood

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


AXES = (np.linspace(-1.5, 1.5, 4), np.linspace(0, 0.5, 3), np.linspace(-0.6, 0.6, 5))
BOX = statistics.physical_box(AXES, 3000.0)


def test_best_fits_of_a_known_likelihood():
    """Minimum, errors and correlation of a parabola; starting points far away."""
    start = {"epsilon_hat": 0.0, "g_hat": 0.15, "theta_sb": -0.05}
    grid = {"all": {"global": {**start, "chi2": {}}}, "unmixed": {**start, "chi2": {}}}
    sm = {"quarks": 150.0, "LEP2": 1.0, "global": 151.0}
    n_obs = {"quarks": 100, "LEP2": 10, "global": 110}
    fits = statistics.best_fits(grid, sm, n_obs, BOX, parabola)
    mixed = fits["malaphoric"]
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
        [fits["unmixed"]["g_hat"], fits["unmixed"]["theta_sb"]], MINIMUM[1:] + free, atol=2e-3
    )
    gain = fits["unmixed"]["chi2"]["global"] - mixed["chi2"]["global"]
    assert gain == pytest.approx(MINIMUM[0] ** 2 / COVARIANCE[0, 0], rel=1e-3)


def test_fits_stay_in_the_box():
    """|epsilon| <= 1 limits epsilon_hat at larger masses, and the scan all; said by name."""
    start = {"epsilon_hat": 0.0, "g_hat": 0.1, "theta_sb": -0.1, "chi2": {}}
    sm = {"quarks": 150.0, "LEP2": 1.0, "global": 151.0}
    fits = statistics.best_fits(
        {"all": {"global": start}, "unmixed": None},
        sm,
        dict.fromkeys(sm, 10),
        statistics.physical_box(AXES, 10_000.0),
        parabola,
    )
    assert fits["malaphoric"]["at_limit"] == ["epsilon_hat"]
    assert fits["malaphoric"]["epsilon_hat"] == pytest.approx(-0.3, abs=1e-3)
    assert fits["unmixed"] is None


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
    first, second = statistics.pulls(np.array([1.5, 5.0]), small_likelihood())
    assert first["pull_sm"] == pytest.approx(2)
    assert first["pull"] == pytest.approx(1)
    assert first["change"] == pytest.approx(-1)
    assert first["uncertainty_experiment"] == pytest.approx(0.4)
    assert second["observable"] == "b 1 6"
    assert second["experiment"] == pytest.approx(3)
    assert second["pull"] == pytest.approx(2 * 2**0.5)


def test_profile_file_of_a_known_scan(tmp_path):
    """Minimum over theta_sb by closed formula, best points, profiles of one parameter."""
    grid = Grid.from_dict(
        {
            "epsilon_hat": {"min": -1.2, "max": 0.3, "points": 31},
            "g_hat": {"min": 0, "max": 0.2, "points": 41},
            "theta_sb": {"min": -0.4, "max": 0.1, "points": 51},
        }
    )
    values = parabola(grid.points())["global"].reshape(1, *grid.shape)
    with store.create(tmp_path / "scan.h5", theory={"M_X": 3000.0}) as file:
        file["category"] = ["global"]
        for name, axis in zip(("epsilon_hat", "g_hat", "theta_sb"), grid.axes, strict=True):
            file[name] = axis
        file["chi2"] = values
    best = statistics.profile(tmp_path / "scan.h5", tmp_path / "profile.h5")
    assert best["global"]["epsilon_hat"] == pytest.approx(-0.6)
    assert best["global"]["g_hat"] == pytest.approx(0.1)
    marginal = np.linalg.inv(COVARIANCE[:2, :2])
    d = np.stack(np.meshgrid(*grid.axes[:2], indexing="ij"), -1) - MINIMUM[:2]
    expected = 101 + np.einsum("abi,ij,abj->ab", d, marginal, d)
    with store.read(tmp_path / "profile.h5") as file:
        inside = expected < 110  # where the minimum lies inside the axis
        np.testing.assert_allclose(file["chi2"][0][inside], expected[inside], atol=1e-6)
        x = file["epsilon_hat"][:]
        physical = np.isfinite(file["chi2_epsilon_hat"][0])
        np.testing.assert_array_equal(physical, np.abs(x) <= 1)
        near = np.abs(x + 0.6) < 0.35
        np.testing.assert_allclose(
            file["chi2_epsilon_hat"][0][near],
            101 + (x[near] + 0.6) ** 2 / COVARIANCE[0, 0],
            atol=1e-2,
        )
    plane = statistics.best_of_plane(tmp_path / "scan.h5")
    assert plane["epsilon_hat"] == 0
