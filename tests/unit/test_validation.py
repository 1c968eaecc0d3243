"""The comparison of the engines notices what it must notice."""

import dataclasses

import numpy as np
import pytest

from malaphoric.engines.protocol import Evaluation
from malaphoric.inference import validation
from malaphoric.report.paper import PARAMETERS as NAMES
from malaphoric.scan.grid import Grid
from test_statistics import small_likelihood


def both(n=3):
    """Exact and compiled results that agree."""
    data = small_likelihood()
    predictions = np.tile([1.0, 3.0], (n, 1))
    chi2 = np.stack(list(data.chi2(predictions).values()), axis=1)
    exact = {
        "points": np.zeros((n, 3)),
        "chi2": chi2,
        "predictions": predictions,
        "ckm": np.tile([0.2, 0.04, 0.004, 1.2], (n, 1)),
        "reason": np.full(n, "", dtype=object),
    }
    compiled = Evaluation(predictions.copy(), exact["ckm"].copy(), exact["reason"].copy())
    return exact, compiled, data, float(chi2[0, -1])


def test_agreement_passes():
    """No failure without a difference."""
    assert validation.compare(*both()).failures == []


def test_chi2_beyond_the_bound_fails():
    """A chi2 that is off by more than 0.01 in quarks."""
    exact, compiled, data, minimum = both()
    exact["chi2"][1, 0] += 0.02
    failures = validation.compare(exact, compiled, data, minimum).failures
    assert any("quarks is off by 0.02" in text for text in failures)


def test_far_points_have_the_wider_bound():
    """0.02 is accepted between 100 and 400 above the minimum."""
    exact, compiled, data, minimum = both()
    exact["chi2"][1, 0] += 0.02
    assert validation.compare(exact, compiled, data, minimum - 200).failures == []


def test_prediction_beyond_the_bound_fails():
    """1e-3 of the uncertainty at one point."""
    exact, compiled, data, minimum = both()
    compiled.predictions[2, 1] += 4e-3
    failures = validation.compare(exact, compiled, data, minimum).failures
    assert any("prediction of b 1 6" in text for text in failures)
    # a bound of its own for what is not smelli's
    more = validation.compare(exact, compiled, data, minimum, [("b", 1.0, 6.0)]).failures
    assert not any("prediction of" in text for text in more)


@pytest.mark.parametrize(("gamma", "fails"), [(1.2, True), (0.03, False)])
def test_ckm_disagreement_fails_except_at_the_boundary(gamma, fails):
    """Only one engine extracts the CKM elements: accepted within 1e-3 of |cos gamma| = 1."""
    exact, compiled, data, minimum = both()
    exact["ckm"][0, 3] = gamma
    compiled.reason[0] = "ckm"
    compiled.predictions[0] = np.nan
    failures = validation.compare(exact, compiled, data, minimum).failures
    assert bool(failures) == fails


def test_error_of_the_exact_engine_fails():
    """A point that raised is no proof of anything."""
    exact, compiled, data, minimum = both()
    exact["reason"][0] = "ZeroDivisionError: x"
    failures = validation.compare(exact, compiled, data, minimum).failures
    assert any("ZeroDivisionError" in text for text in failures)


def test_only_what_counts_is_judged(tmp_path):
    """Truth: an observable without measurement in the run may be off by anything."""
    exact, compiled, data, minimum = both()
    compiled.predictions[:, 1] += 1
    assert validation.compare(exact, compiled, data, minimum).failures
    data = dataclasses.replace(data, constraints=data.constraints[:1])
    exact["chi2"] = np.stack(list(data.chi2(exact["predictions"]).values()), axis=1)
    result = validation.compare(exact, compiled, data, 0.0)
    assert result.failures == []
    by_point, by_observable = tmp_path / "points.csv", tmp_path / "observables.csv"
    validation.write_tables(
        result, NAMES, exact["points"], data.observables, by_point, by_observable
    )
    assert by_observable.read_text() == "observable,relative_error\na,0.0\n"


def test_no_point_is_no_failure(tmp_path):
    """Truth: headers without rows."""
    exact, compiled, data, _ = both(1)
    exact = {name: values[:0] for name, values in exact.items()}
    compiled = Evaluation(compiled.predictions[:0], compiled.ckm[:0], compiled.reason[:0])
    result = validation.compare(exact, compiled, data, float("nan"))
    assert result.failures == []
    by_point = tmp_path / "points.csv"
    validation.write_tables(
        result, NAMES, exact["points"], data.observables, by_point, tmp_path / "b.csv"
    )
    assert by_point.read_text() == "epsilon_hat,g_hat,theta_sb,chi2_minus_min,error_quarks\n"


# ------------------------------------------------------------------------------ which points


BOX = {"epsilon_hat": (-1.0, 0.3), "g_hat": (0.0, 0.3), "theta_sb": (-0.6, 0.3)}
BEST = np.array([-0.86, 0.078, -0.17])


def valley(points):
    """1 at `BEST`, 1000 at a distance of 0.3 along epsilon_hat, NaN at theta_sb > 0."""
    error = np.array([0.0095, 0.02, 0.03])
    chi2 = 1 + np.sum(((points - BEST) / error) ** 2, axis=1)
    return np.where(points[:, 2] > 0, np.nan, chi2)


def fresh(box=BOX, number=8, seed=1, chi2=valley, minimum=1.0, M_X=3000):
    return validation.fresh_points(box, M_X, number, seed, chi2, minimum)


@pytest.mark.parametrize("number", [8, 21])
def test_fresh_points_are_valid_and_half_of_them_near(number):
    """Truth: the valley; the rest within 400."""
    points = fresh(number=number).points
    assert points.shape == (number, 3)
    low, high = np.array(list(BOX.values())).T
    assert np.all((low <= points) & (points <= high))
    distance = valley(points) - 1
    assert np.sum(distance <= 100) >= number / 2
    assert np.all(distance <= 400)
    assert len(np.unique(points, axis=0)) == number


def test_same_settings_same_points():
    """Truth: equal seeds, equal points; the best fit's chi2 moves them only if it must."""
    assert np.array_equal(fresh().points, fresh().points)
    assert np.array_equal(fresh().points, fresh(minimum=1.01).points)
    assert not np.any(fresh().points == fresh(seed=2).points)


def test_other_boxes_share_points():
    """Truth: exact points that were computed are found again."""
    other = {"epsilon_hat": (-1.0, 0.1), "g_hat": (0.01, 0.25), "theta_sb": (-0.5, 0.2)}
    flat = lambda points: np.full(len(points), 1.0)  # noqa: E731
    one, two = (set(map(tuple, fresh(box, 100, chi2=flat).points)) for box in (BOX, other))
    assert len(one & two) > 40
    inside = [p for p in one if -1 <= p[0] <= 0.1 and 0.01 <= p[1] <= 0.25 and -0.5 <= p[2] <= 0.2]
    assert set(inside) <= two


@pytest.mark.parametrize(
    "box",
    [
        {**BOX, "theta_sb": (-0.17, -0.17)},
        {"epsilon_hat": (-0.86, -0.86), "g_hat": (0.078, 0.078), "theta_sb": (-0.17, -0.17)},
        {**BOX, "g_hat": (0.0779, 0.0780)},
        {**BOX, "g_hat": (5.0, 20.0)},
        {**BOX, "theta_sb": (-40.0, -39.0)},
        {**BOX, "epsilon_hat": (1.1, 1.5)},
    ],
)
def test_boxes_of_all_kinds(box):
    """Fixed axes, narrow and distant boxes: points inside."""
    points = fresh(box, chi2=lambda points: np.full(len(points), 1.0)).points
    low, high = np.array(list(box.values())).T
    assert points.shape == (8, 3)
    assert np.all((low <= points) & (points <= high))


def test_box_is_the_physical_part():
    """|epsilon| <= 1 where the grid has such points."""
    axis = np.linspace(-1.2, 0.3, 4)
    assert validation.box_of(Grid(NAMES, (axis, axis, axis)), 3000)["epsilon_hat"] == (-1, 0.3)
    assert validation.box_of(Grid(NAMES, (axis, axis, axis)), 30000)["epsilon_hat"] == (-0.1, 0.1)
    beyond = np.linspace(1.1, 1.5, 4)
    assert validation.box_of(Grid(NAMES, (beyond, axis, axis)), 3000)["epsilon_hat"] == (1.1, 1.5)


def test_a_box_without_a_valid_point():
    """Truth: NaN everywhere; said, and no endless search."""
    chosen = fresh(chi2=lambda points: np.full(len(points), np.nan))
    assert chosen.points.shape == (0, 3)
    assert "nothing to check" in chosen.said


def test_a_box_of_few_valid_points():
    """Truth: one in a few thousand; as many as are found, said. Without a fit the best found."""

    def rare(points):
        return np.where(points[:, 0] < -0.9997, 5.0, np.nan)

    chosen = fresh(chi2=rare, minimum=None)
    assert 0 < len(chosen.points) < 8
    assert "of 8 asked for" in chosen.said
    assert chosen.minimum == 5


def test_best_fits_are_rounded():
    """Truth: a lattice by hand; data that move the fit a little do not move the point."""
    flat = lambda points: np.full(len(points), 1.0)  # noqa: E731
    for shift in (0.0, 0.005, -0.005):
        (point,) = validation.near_fit(BEST + shift, BOX, flat)
        assert point.tolist() == [-0.8, 0.08, -0.16]
    fixed = {**BOX, "g_hat": (0.078, 0.078)}
    assert validation.near_fit(BEST, fixed, flat)[0].tolist() == [-0.8, 0.078, -0.16]
    # an unmixed fit stays unmixed, and no coupling is switched off
    (point,) = validation.near_fit(np.array([0.0, 0.004, -0.17]), BOX, flat)
    assert point[0] == 0
    assert point[1] == 0.005
    degenerate = np.array([0.3, 3e-7, -0.6])
    assert np.array_equal(validation.near_fit(degenerate, BOX, flat)[0], degenerate)


def test_rounded_best_fit_is_near():
    """Truth: the steep valley wants a finer lattice."""
    (point,) = validation.near_fit(BEST, BOX, valley)
    assert point.tolist() != [-0.8, 0.08, -0.16]
    assert valley(point[np.newaxis])[0] <= 11
    assert np.array_equal(validation.near_fit(BEST, BOX, valley)[0], point)
