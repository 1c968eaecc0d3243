"""What of the paper stands in tables and figures, and what they say of themselves."""

import dataclasses

import numpy as np
import pytest

from malaphoric.inference.results import Fit, Fits
from malaphoric.physics.model import Model
from malaphoric.physics.smeft import g_prime, zprime
from malaphoric.report import point, tables
from malaphoric.report.paper import FITS, PARAMETERS, is_the_papers
from test_statistics import small_likelihood


@pytest.mark.parametrize(
    ("changes", "M_X", "expected"),
    [
        ({}, 3000, True),
        ({"name": "mine", "title": "mine"}, 3000.0, True),
        ({}, 50000, False),
        ({"charges": {"X_H": 1.0}}, 3000, False),
        ({"charges": {"X_l": (-1.0, -2.0, 0.0)}}, 3000, False),
    ],
)
def test_the_papers_model_is_known_by_its_physics(changes, M_X, expected):
    """Truth: Table 3 of the paper; names say nothing."""
    model = Model.load("b3-l2")
    changes = {**changes, "charges": {**model.charges, **changes.get("charges", {})}}
    model = dataclasses.replace(model, **changes)
    assert is_the_papers(model, M_X) == expected
    assert is_the_papers(Model.of(model.as_dict()), M_X) == expected


def rows(paper, comparable):
    """Rows of Table 4 for best fits that are the first points of everything."""
    data = small_likelihood()
    points = {"points": np.zeros((2, 3)), "chi2": np.full((2, 2), 0.5)}
    found = dict.fromkeys(FITS, Fit(parameters=2))
    fits = Fits(held=FITS, SM=Fit(p_value=0.5), found=found)
    given = (fits, points, points if paper else None, data, comparable)
    return [row["fit"] for row in tables.table4_rows(*given, PARAMETERS, 3000.0)]


OURS = ["SM", "unmixed: best fit", "malaphoric: best fit"]


def test_paper_in_table_4():
    """Truth: its points where they were computed, its numbers where they can be compared."""
    assert rows(paper=False, comparable=False) == OURS
    both = ["unmixed: the paper's point", "malaphoric: the paper's point"]
    assert rows(paper=True, comparable=False) == OURS + both
    numbers = ["unmixed: the paper", "malaphoric: the paper"]
    assert rows(paper=False, comparable=True) == OURS + numbers


FIT = Fit(values={"epsilon_hat": -0.6, "g_hat": 0.08, "theta_sb": -0.2}, dchi2={"global": 38.0})


@pytest.mark.parametrize(
    ("fit", "remark"),
    [
        ({}, ""),
        ({"valid": True, "at_limit": [], "undetermined": []}, ""),
        ({"valid": False}, "no proven minimum"),
        (
            {"valid": False, "undetermined": ["theta_sb"], "at_limit": ["g_hat"]},
            "undetermined: theta_sb; at a limit: g_hat; no proven minimum",
        ),
    ],
)
def test_a_degenerate_fit_is_marked(fit, remark):
    """Truth: what best_fit.json says of it."""
    assert tables._remark(Fit.from_dict(fit)) == remark


def test_masses_say_which_fit_is_physical():
    """-0.6 is epsilon = -0.6 at 3 TeV and -2 at 10 TeV, where the physical fit is another one."""
    (row,) = tables.mass_rows({"hatted": FIT, "physical": FIT}, PARAMETERS, 3000.0)
    assert (row["physical"], row["epsilon"]) == ("yes", -0.6)
    assert row["M_Zprime"] == pytest.approx(3750)
    assert row["g_X_Zprime"] == pytest.approx(0.1)
    assert row["g_Y_Zprime"] == pytest.approx(g_prime(3000.0) * 0.75)
    physical = dataclasses.replace(FIT, values={**FIT.values, "epsilon_hat": -0.27})
    first, second = tables.mass_rows({"hatted": FIT, "physical": physical}, PARAMETERS, 10_000.0)
    assert (first["physical"], second["physical"]) == ("no", "yes")
    assert (first["M_Zprime"], first["epsilon"]) == ("", pytest.approx(-2))
    assert second["M_Zprime"] == pytest.approx(10_000 / 0.19**0.5)
    assert tables.mass_rows({}, PARAMETERS, 3000.0) == []


def test_table_4_without_fits_and_without_degrees_of_freedom():
    """A scan without a valid point leaves the SM and the paper; what is unknown is empty."""

    class Data:
        categories = ("quarks",)
        chi2_sm = {"quarks": 5.0, "global": 5.0}  # noqa: RUF012
        n_obs = {"quarks": 2, "global": 2}  # noqa: RUF012

    points = np.array([paper["point"] for paper in tables.TABLE4.values()])
    paper = {"points": points, "chi2": np.full((2, 2), 4.0)}
    fits = Fits(held=FITS, SM=Fit(dchi2={"quarks": 0.0, "global": 0.0}, p_value=0.1))
    rows = tables.table4_rows(fits, {}, paper, Data, False, PARAMETERS, 3000.0)
    assert [row["fit"] for row in rows] == [
        "SM",
        "unmixed: the paper's point",
        "malaphoric: the paper's point",
    ]
    assert (rows[0]["M_Zprime"], rows[1]["M_Zprime"]) == ("", 3000.0)
    assert rows[2]["p_value"] == ""  # three parameters and two observations
    assert rows[2]["M_Zprime"] == pytest.approx(3000 / (1 - 0.92**2) ** 0.5)


def test_a_point_names_the_physical_boson():
    """Text of `python -m malaphoric point`: mass and couplings, or that there is none."""
    place = {"epsilon_hat": -0.6, "g_hat": 0.08, "theta_sb": -0.2, "M_X": 3000.0}
    place |= {"epsilon": -0.6, "g_X": 0.08, "g_prime": 0.3647}
    description = {"model": "m", "parameters": place, "reason": "ckm"}
    description |= {"wilson_coefficients": {}, "b_to_sll": None}
    description["units"] = {"theta_sb": "rad", "M_X": "GeV"} | dict.fromkeys(
        ("epsilon_hat", "g_hat"), ""
    )
    text = point.text({**description, "Zprime": zprime(-0.6, 0.08)})
    assert "physical Z': mass 3750 GeV, couplings 0.1 X + 0.2735 Y" in text
    text = point.text({**description, "Zprime": zprime(0.6, 0.08)})
    assert "couplings 0.1 X - 0.2735 Y" in text
    coefficients = {f"ll_{i}": 1e-9 * i for i in range(1, 20)}
    known = {"wilson_coefficients": coefficients, "b_to_sll": {"C9_bsmumu": -0.8, "C10_bsee": 1e-5}}
    whole = point.text({**description, **known, "Zprime": zprime(0.6, 0.08)})
    assert "C9_bsmumu = -0.800" in whole
    assert "C10_bsee" not in whole  # three digits are zero
    assert "ll_8 = 8.0000e-09\n  and 7 smaller ones: --rows 19 shows all" in whole
    text = point.text({**description, "Zprime": zprime(-1.1, 0.08)})
    assert "|epsilon| >= 1 is unphysical" in text
