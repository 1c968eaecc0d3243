"""The comparison of the engines notices what it must notice."""

import numpy as np
import pytest

from malaphoric import validation
from malaphoric.theory import Theory
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
    compiled = Theory(predictions.copy(), exact["ckm"].copy(), exact["reason"].copy())
    return exact, compiled, data, float(chi2[0, -1])


def test_agreement_passes():
    """No failure without a difference."""
    assert validation.compare(*both())["failures"] == []


def test_chi2_beyond_the_bound_fails():
    """A chi2 that is off by more than 0.01 in quarks."""
    exact, compiled, data, minimum = both()
    exact["chi2"][1, 0] += 0.02
    failures = validation.compare(exact, compiled, data, minimum)["failures"]
    assert any("quarks is off by 0.02" in text for text in failures)


def test_far_points_have_the_wider_bound():
    """0.02 is accepted between 100 and 400 above the minimum."""
    exact, compiled, data, minimum = both()
    exact["chi2"][1, 0] += 0.02
    assert validation.compare(exact, compiled, data, minimum - 200)["failures"] == []


def test_prediction_beyond_the_bound_fails():
    """1e-3 of the uncertainty at one point."""
    exact, compiled, data, minimum = both()
    compiled.predictions[2, 1] += 4e-3
    failures = validation.compare(exact, compiled, data, minimum)["failures"]
    assert any("prediction of b 1 6" in text for text in failures)
    # a bound of its own for what is not smelli's
    more = validation.compare(exact, compiled, data, minimum, [("b", 1.0, 6.0)])["failures"]
    assert not any("prediction of" in text for text in more)


@pytest.mark.parametrize(("gamma", "fails"), [(1.2, True), (0.03, False)])
def test_ckm_disagreement_fails_except_at_the_boundary(gamma, fails):
    """Only one engine extracts the CKM elements: accepted within 1e-3 of |cos gamma| = 1."""
    exact, compiled, data, minimum = both()
    exact["ckm"][0, 3] = gamma
    compiled.reason[0] = "ckm"
    compiled.predictions[0] = np.nan
    failures = validation.compare(exact, compiled, data, minimum)["failures"]
    assert bool(failures) == fails


def test_error_of_the_exact_engine_fails():
    """A point that raised is no proof of anything."""
    exact, compiled, data, minimum = both()
    exact["reason"][0] = "ZeroDivisionError: x"
    failures = validation.compare(exact, compiled, data, minimum)["failures"]
    assert any("ZeroDivisionError" in text for text in failures)
