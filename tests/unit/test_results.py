"""What fits and scans find, as JSON has it: the same keys in the same order, and back."""

import json

import numpy as np
import pytest

from malaphoric import store
from malaphoric.inference.results import MINIMISED, Curve, Fit, Fits, Minimum, ScanResult
from malaphoric.report.paper import FITS

VALUES = {"epsilon_hat": -0.6, "g_hat": 0.1, "theta_sb": -0.15}
CHI2 = {"quarks": 100.0, "global": 101.0}
MAIN = Fit(
    method=MINIMISED,
    values=VALUES,
    errors={"epsilon_hat": 0.2, "g_hat": 0.02},
    correlations={"epsilon_hat,g_hat": 0.25},
    undetermined=["theta_sb"],
    other_minima=[Minimum({**VALUES, "theta_sb": 0.3}, {**CHI2, "global": 102.0}, ["g_hat"])],
    chi2=CHI2,
    dchi2={"quarks": 50.0, "global": 50.0},
    parameters=3,
    dof=107,
    AIC=107.0,
    BIC=115.1,
    p_value=0.6,
    p_value_over={"SM": 1e-10},
    Zprime={"mass": 3750.0, "g_X": 0.1, "g_Y": None},
    C9={"C9_bsee": -0.2, "C9_bsmumu": -0.4},
)
NO_LEP2 = Fit(method=MINIMISED, values=VALUES, chi2=CHI2, AIC=107.0, BIC=115.1)
ON_GRID = Fit(method="best point of the grid", values=VALUES, chi2=CHI2, dof=108)
SM = Fit(chi2={"global": 151.0}, dchi2={"global": 0.0}, dof=110, AIC=151.0, BIC=151.0)
KEYS = {
    "main": (
        MAIN,
        "method epsilon_hat g_hat theta_sb errors correlations undetermined valid at_limit "
        "other_minima chi2 dchi2 parameters dof AIC BIC p_value p_value_over Zprime C9",
    ),
    "without data": (
        NO_LEP2,
        "method epsilon_hat g_hat theta_sb errors correlations undetermined valid at_limit "
        "chi2 dchi2 parameters AIC BIC",
    ),
    "grid": (
        ON_GRID,
        "method epsilon_hat g_hat theta_sb chi2 dchi2 parameters dof p_value_over",
    ),
    "SM": (SM, "chi2 dchi2 parameters dof AIC BIC"),
}


def read(data):
    """What JSON makes of plain data."""
    return json.loads(store.strict_json(data))


@pytest.mark.parametrize("name", KEYS)
def test_a_fit_says_what_it_knows(name):
    """Truth: the keys of a best_fit.json, in their order; JSON and back."""
    fit, keys = KEYS[name]
    assert list(fit.as_dict()) == keys.split()
    assert Fit.from_dict(read(fit.as_dict())) == fit


def test_errors_that_are_no_numbers():
    """Truth: NaN is null in JSON, and NaN again."""
    fit = Fit(method=MINIMISED, values=VALUES, errors={"g_hat": np.nan}, dof=1)
    found = read(fit.as_dict())
    assert found["errors"] == {"g_hat": None}
    assert np.isnan(Fit.from_dict(found).errors["g_hat"])


def test_fits_by_what_they_hold(tmp_path):
    """Truth: names and values held fixed; a fit without a valid point is null."""
    fits = Fits(
        held=FITS,
        SM=SM,
        found={"malaphoric": MAIN},
        without_LEP2=NO_LEP2,
        notes={"A note.": ["fig2"]},
        intervals={"g_hat": {"0.68": [[0.08, None]]}},
        profiles={"g_hat": Curve(np.array([0.0, 0.1]), np.array([105.0, 101.0]))},
    )
    store.write_json(tmp_path / "best_fit.json", {**fits.as_dict(), "recipe": "a"})
    data = json.loads((tmp_path / "best_fit.json").read_text())
    assert list(data) == [
        *("SM", "unmixed", "malaphoric", "malaphoric_without_LEP2", "fits", "fixed"),
        *("notes", "intervals", "profiles", "recipe"),
    ]
    assert data["unmixed"] is None
    found = Fits.read(tmp_path / "best_fit.json")
    assert found.as_dict() == fits.as_dict()
    assert (found.main, found.unmixed, found.without_LEP2) == (MAIN, None, NO_LEP2)
    assert found.points(("g_hat", "theta_sb")).tolist() == [[0.1, -0.15]]
    assert Fits(held=FITS).points(("g_hat", "theta_sb")).shape == (0, 2)
    assert found.nested_in("malaphoric") == ["SM", "unmixed"]
    assert found.known_in("malaphoric") == {"SM": SM}


def test_a_scan_by_itself(tmp_path):
    """Truth: the keys of a best_grid.json, in their order; JSON and back."""
    best = Minimum(VALUES, CHI2)
    scan = ScanResult(
        all={"global": best},
        fits={"unmixed": best},
        lines={"g_hat": [[-0.6, 0.1, -0.15]]},
        minimum=101.0,
        columns=list(VALUES),
        steps={"g_hat": 0.01},
        census={"points": 3},
        notes={"A note.": ["fig2"]},
    )
    store.write_json(tmp_path / "best_grid.json", {**scan.as_dict(), "recipe": "a"})
    assert list(json.loads((tmp_path / "best_grid.json").read_text())) == [
        *("all", "fits", "lines", "unmixed_edges", "minimum", "columns", "steps", "census"),
        *("notes", "recipe"),
    ]
    assert scan.as_dict()["all"] == {"global": {**VALUES, "chi2": CHI2}}
    assert ScanResult.read(tmp_path / "best_grid.json") == scan
    assert (scan.best, ScanResult().best) == (best, None)


def test_what_is_no_json_is_said(tmp_path):
    """Truth: half a file."""
    (tmp_path / "best_fit.json").write_text('{"fits": {')
    with pytest.raises(store.StoreError, match="damaged"):
        Fits.read(tmp_path / "best_fit.json")
