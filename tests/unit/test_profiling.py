"""Minima over profiled parameters at points of a grid, against brute force and closed formulas."""

from types import SimpleNamespace

import numpy as np
import pytest

from malaphoric import Model, load_likelihood
from malaphoric.engines.protocol import Evaluation
from malaphoric.inference import profiling
from malaphoric.scan.grid import Grid
from malaphoric.schema import ConfigurationError
from malaphoric.workflow.configuration import Configuration
from test_configuration import MINIMAL, changed

PLANE = {
    "epsilon_hat": {"min": -0.9, "max": 0.0, "points": 3},
    "g_hat": {"min": 0.05, "max": 0.2, "points": 4},
}
RIGHT = Model.from_dict(
    {
        "name": "right",
        "title": "right",
        "charges": Model.load("b3-l2").as_dict()["charges"],
        "mixing": {
            "V_dL": [{"plane": 23, "angle": "theta_sb"}],
            "V_dR": [{"plane": 23, "angle": "theta_R"}],
        },
    }
)


@pytest.fixture(scope="module")
def b3_l2():
    return load_likelihood("b3-l2")


def test_agrees_with_a_fine_grid(b3_l2):
    """Truth: the smallest of chi2 at 2001 angles, category by category, and where it is."""
    grid = Grid.from_dict(PLANE)
    found = profiling.minimised(b3_l2, grid, {"theta_sb": (-0.6, 0.3)}, 0, grid.size)
    angles = np.linspace(-0.6, 0.3, 2001)
    for row, point in enumerate(grid.points()):
        line = np.column_stack([np.tile(point, (len(angles), 1)), angles])
        for name, values in b3_l2.chi2(line).items():
            assert found.chi2[name][row] <= np.nanmin(values) + 1e-4
            assert found.chi2[name][row] >= np.nanmin(values) - 0.02  # between two angles
            at = [[*point, found.places[name][row, 0]]]
            assert b3_l2.chi2(at)[name][0] == pytest.approx(found.chi2[name][row], abs=1e-9)
    assert (found.reason == "").all()


@pytest.mark.slow
def test_three_profiled_parameters_against_differential_evolution():
    """Truth: scipy's global minimiser at single points; |epsilon| <= 1 at every mass."""
    from scipy.optimize import differential_evolution

    likelihood = load_likelihood(RIGHT, M_X=None)
    limits = {"epsilon_hat": (-1.0, 1.0), "theta_sb": (-0.6, 0.3), "theta_R": (-0.2, 0.2)}
    axes = {
        "g_hat": {"min": 0.08, "max": 0.24, "points": 2},
        "M_X": {"min": 2000, "max": 7000, "points": 2},
    }
    grid = Grid.from_dict(axes)
    found = profiling.minimised(likelihood, grid, limits, 0, grid.size)
    names = likelihood.parameters
    for row, point in enumerate(grid.points()):
        given = dict(zip(grid.names, point, strict=True))
        ends = min(1.0, 3000 / given["M_X"])

        def chi2(values, given=given):
            place = given | dict(zip(limits, values, strict=True))
            columns = np.broadcast_arrays(*(place[name] for name in names))
            result = likelihood.chi2(np.stack(columns, axis=-1))["global"]
            return np.where(np.isfinite(result), result, 1e6)

        box = [(-ends, ends), *list(limits.values())[1:]]
        best = differential_evolution(
            chi2, box, vectorized=True, updating="deferred", popsize=16, maxiter=60, rng=1
        )
        assert found.chi2["global"][row] <= best.fun + 1e-3
        assert abs(found.places["global"][row, 0]) <= ends


class Bowl:
    """A likelihood whose chi2 is a paraboloid with a valley that turns."""

    parameters, M_X = ("epsilon_hat", "g_hat", "theta_sb"), 3000.0

    def __init__(self):
        self.engine, self.data = self, SimpleNamespace(categories=("quarks",))

    def chi2_of_few(self, points):
        e, g, t = points.T
        values = (e + 0.5) ** 2 + 100 * (g - 0.1) ** 2 + 1e3 * (t - e * g) ** 2
        values = np.where(g > 0.25, np.nan, values)
        return {"quarks": values, "global": values}

    def evaluate(self, points):
        n = len(points)
        return Evaluation(np.zeros((n, 0)), np.full((n, 4), 0.2), np.full(n, "", dtype=object))


def test_minimum_by_closed_formula_whatever_the_split():
    """Truth: theta_sb = epsilon_hat g_hat; points without any value have a reason."""
    axes = {
        "epsilon_hat": {"min": -1, "max": 0.5, "points": 4},
        "g_hat": {"min": 0.0, "max": 0.3, "points": 4},
        "theta_sb": {"min": 0.1, "max": 0.3, "points": 3},
    }
    for name, other in (("theta_sb", "g_hat"), ("g_hat", "theta_sb")):
        grid = Grid.from_dict({k: x for k, x in axes.items() if k != name})
        whole = profiling.minimised(Bowl(), grid, {name: (-0.4, 0.4)}, 0, grid.size)
        e, y = grid.points().T
        if name == "theta_sb":
            gone = y > 0.25
            expected = (e + 0.5) ** 2 + 100 * (y - 0.1) ** 2
            np.testing.assert_allclose(whole.chi2["global"][~gone], expected[~gone], atol=1e-6)
            np.testing.assert_allclose(whole.places["quarks"][~gone, 0], (e * y)[~gone], atol=1e-4)
            assert np.isnan(whole.chi2["global"][gone]).all()
            assert set(whole.reason[gone]) == {"ckm"}
        assert grid.slab == (grid.shape[0], grid.shape[1]), other
    axes["theta_sb"] = {"min": -0.1, "max": 0.1, "points": 2}
    grid = Grid.from_dict(axes)  # three axes: several slabs
    likelihood = Bowl()
    likelihood.parameters = (*Bowl.parameters, "phi")
    likelihood.chi2_of_few = lambda points: Bowl.chi2_of_few(
        likelihood, points[:, :3] - points[:, 3:] * 0.01
    )
    parts = [(0, 16), (16, 32)]
    assert grid.slab == (4, 2)
    whole = profiling.minimised(likelihood, grid, {"phi": (-1.0, 1.0)}, 0, 32)
    split = [profiling.minimised(likelihood, grid, {"phi": (-1.0, 1.0)}, *part) for part in parts]
    joined = np.concatenate([part.chi2["global"] for part in split])
    assert joined.tobytes() == whole.chi2["global"].tobytes()


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"theta_sb": {"min": -1, "max": 1, "profile": True, "points": 2}}, "either points or"),
        ({"theta_sb": {"min": -1, "max": 1}}, "either points or profile"),
        ({"theta_sb": {"min": -1, "max": 1, "profile": False}}, "profile: False"),
        ({"theta_sb": {"min": 1, "max": -1, "profile": True}}, "min < max"),
        ({"epsilon_hat": -0.5, "theta_sb": {"min": 0, "max": 1, "profile": True}}, "two or more"),
    ],
)
def test_what_is_not_accepted(parameters, word):
    """Refused by the key, the value and what would be accepted."""
    data = changed(["parameters"], MINIMAL["parameters"] | parameters, MINIMAL)
    with pytest.raises(ConfigurationError, match="parameters") as caught:
        Configuration(data)
    assert word in str(caught.value)
    assert "accepted" in str(caught.value)


def test_the_exact_engine_takes_grids_only():
    """Truth: minimising by smelli would take days."""
    angle = {"min": -0.5, "max": 0, "profile": True}
    data = changed(["parameters", "theta_sb"], angle, {**MINIMAL, "engine": "exact"})
    with pytest.raises(ConfigurationError, match=r"theta_sb: .*the exact engine minimises nothing"):
        Configuration(data)
