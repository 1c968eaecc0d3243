"""Closed formulas of the paper, written out again for the B3-L2 model."""

import numpy as np
import pytest

from malaphoric.data.likelihood import NORMAL, Constraint, Likelihood
from malaphoric.inference.results import Fit, Fits
from malaphoric.physics.model import Model
from malaphoric.physics.smeft import g_prime
from malaphoric.report import comparison, paper

CKM = {"Vus": 0.2253, "Vcb": 0.0420, "Vub": 0.00415, "gamma": 1.18}
POINT = (-0.92, 0.078, -0.17)


def test_c9_and_c10_are_eq_4_4():
    """(4.4): C9 by the couplings, C10 = 0."""
    epsilon, g, theta = POINT
    values = comparison.closed_formulas(Model.load("b3-l2"), POINT, 3000.0, CKM)
    s2w, alpha, g_f = 0.2312, 1 / 127.95, 1.1663788e-5
    k = 2 * np.sqrt(2) * np.pi**2 / (4 * np.pi * alpha * g_f)
    common = -g * np.sin(2 * theta) / 3000**2
    mixing = g_prime(3000.0) * epsilon * (s2w - 1)
    ratio = values["C9_mu"] / values["C9_e"]
    assert ratio == pytest.approx((3 * g + mixing) / mixing)
    vts = -0.0420 * (1 - 0.2253**2 / 2) - 0.2253 * 0.00415 * np.cos(1.18)
    assert values["C9_mu"] == pytest.approx(k / vts * common * (3 * g + mixing))
    assert values["C10_mu"] == values["C10_e"] == 0


def test_delta_m_s_is_eq_4_6():
    """(4.6) grows with (g sin 2 theta)^2 and does not know epsilon."""
    model = Model.load("b3-l2")
    value = comparison.closed_formulas(model, POINT, 3000.0, CKM)["DeltaM_s"]
    unmixed = comparison.closed_formulas(model, (0.0, *POINT[1:]), 3000.0, CKM)["DeltaM_s"]
    doubled = comparison.closed_formulas(model, (0.0, 2 * POINT[1], POINT[2]), 3000.0, CKM)
    assert value == pytest.approx(unmixed)
    assert value > 1
    assert doubled["DeltaM_s"] - 1 == pytest.approx(4 * (value - 1))


@pytest.mark.slow
def test_running_explains_the_difference():
    """wilson's coefficients at 4.8 GeV: within 15% of (4.4), C10 below 5% of C9."""
    model = Model.load("b3-l2")
    closed = comparison.closed_formulas(model, POINT, 3000.0, CKM)
    full = comparison.run_down(model, POINT, 3000.0, CKM)
    assert full["C9_mu"] == pytest.approx(closed["C9_mu"], rel=0.15)
    assert full["C9_e"] == pytest.approx(closed["C9_e"], rel=0.15)
    assert abs(full["C10_mu"]) < 0.05 * abs(full["C9_mu"])


ALL = ["quarks", "EWPOs", "LEP2", "LFU"]
GRID = {"epsilon_hat": (-1.5, 0.5), "g_hat": (0, 0.3), "theta_sb": (-0.3, 0.1)}


def unlike(
    model=None,
    M_X=3000.0,
    smeft_accuracy="leadinglog",
    names=ALL,
    papers_data=True,
    ours=None,
    **ranges,
):
    model = model or Model.load("b3-l2").as_dict()
    found = ours or fits()
    box = {**GRID, **ranges}
    grid = [{"name": name, "min": a, "max": b} for name, (a, b) in box.items()]
    setting = (M_X, smeft_accuracy, names, papers_data)
    return comparison.unlike(Model.of(model), *setting, found, grid)


def made(quarks=419.0, names=ALL):
    """A likelihood of one measurement a category, with the paper's chi2 but in quarks."""
    chi2 = {"quarks": quarks, "EWPOs": 36.8, "LEP2": 150.0, "LFU": 18.5}
    unit = {"covariance": np.eye(1)}
    constraints = [
        Constraint(name, name, NORMAL, np.array([i]), {"central": np.zeros(1), **unit})
        for i, name in enumerate(ALL)
        if name in names
    ]
    return Likelihood(list("abcd"), constraints, np.sqrt(list(chi2.values())), np.zeros(4))


def fits(epsilon_hat=-0.92, error=0.25, LEP2=-0.63):
    def fit(point, dchi2, **over):
        names = ("epsilon_hat", "g_hat", "theta_sb")
        return Fit(
            values=dict(zip(names, point, strict=True)),
            errors=dict.fromkeys(names, error) if error else {},
            dchi2={**dict.fromkeys(ALL, 0.0), **dchi2},
            parameters=sum(x != 0 for x in point),
            p_value=0.01,
            p_value_over={"SM": 2e-8, **over},
        )

    found = {
        "unmixed": fit((0.0, 0.12, -0.11), {"global": 31.2}),
        "malaphoric": fit(
            (epsilon_hat, 0.078, -0.17), {"global": 37.6, "LEP2": LEP2}, unmixed=0.012
        ),
    }
    return Fits(held=paper.FITS, found=found)


def reasons(rows):
    return {row["quantity"]: row["reason"] for row in rows}


EXACT = np.zeros((2, 4))


def test_a_fit_in_another_box_is_not_compared():
    """Truth: the paper's point is outside, or ours at the edge: the box is the cause, no valley."""
    narrow = unlike(epsilon_hat=(-0.5, 0.0))
    assert set(narrow) == {"fits"}
    assert "does not hold the paper's epsilon_hat = -0.92" in narrow["fits"]
    assert not any(
        "best fit" in q for q in reasons(comparison.paper_rows(fits(), made(), EXACT, narrow))
    )
    found = fits()
    found.main.at_limit.append("g_hat")
    assert "g_hat is at a limit" in unlike(ours=found)["fits"]
    assert unlike() == {}


def test_a_fit_of_fewer_parameters_is_not_compared():
    """Truth: with one node on an axis it is another fit than the paper's."""
    found = fits()
    found.found["malaphoric"] = Fit(parameters=2, dchi2={"global": 30.0})
    other = unlike(ours=found)
    assert set(other) == {"fits"}
    rows = comparison.paper_rows(found, made(), EXACT, other)
    assert {row["where"] for row in rows} == {"Table 1", "Table 4"}
    assert not any("best fit" in row["quantity"] for row in rows)
    assert "a parameter has one value only" in comparison.page(rows, other, "checked")


def test_paper_by_its_charges():
    """Truth: Table 3 of the paper; a name, a title or a file says nothing."""
    model = Model.load("b3-l2").as_dict()
    assert unlike({**model, "name": "other"}) == {}
    charges = {**model["charges"], "X_q": [0.0, 1.0, 0.0]}
    assert "charges" in unlike({**model, "charges": charges})["model"]
    # the same model in other units: g_hat would be another one
    halved = {k: np.multiply(v, 0.5).tolist() for k, v in model["charges"].items()}
    assert set(unlike({**model, "charges": halved})) == {"model"}


def test_like_with_like():
    """Truth: what a run has in common with the paper, and a sentence on the rest."""
    data = made()
    whole = reasons(comparison.paper_rows(fits(), data, EXACT, unlike()))
    assert {"chi2 of the SM, global", "dchi2 global, unmixed, its point"} < set(whole)
    assert "epsilon_hat, malaphoric" in whole

    for other in (unlike(M_X=5000.0), unlike(smeft_accuracy="integrate")):
        rows = comparison.paper_rows(fits(), data, EXACT, other)
        assert {row["where"] for row in rows} <= {"Table 1", "text"}
        assert "Table 4 and what the text says of its fits are not compared" in comparison.page(
            rows, other, "checked"
        )

    other = unlike(papers_data=False)
    assert comparison.paper_rows(fits(), data, EXACT, other) == []
    assert "Nothing is compared: the data" in comparison.page([], other, "checked")


def test_one_category():
    """Truth: quarks alone have no sum; a chi2 or fit of theirs is held against quarks' only."""
    other = unlike(names=["quarks"])
    rows = comparison.paper_rows(fits(epsilon_hat=0.3), made(names=["quarks"]), EXACT, other)
    assert all("quarks" in row["quantity"] for row in rows)
    assert {row["where"] for row in rows} == {"Table 1", "Table 4"}
    assert "leaves out EWPOs, LEP2, LFU" in comparison.page(rows, other, "checked")


def test_one_category_more():
    """Truth: the paper's tables have no such row, and its sums leave it out."""
    other = unlike(names=[*paper.CATEGORIES, "LFV"])
    assert "the paper does not have LFV" in other["categories"]


@pytest.mark.parametrize(
    ("quarks", "reason"), [(419.3, ""), (417.8, "draw"), (213.0, "not traced")]
)
def test_cause_only_where_it_was_shown(quarks, reason):
    """Truth: the scatter of docs/physics.md explains a difference of its size, and no other."""
    rows = reasons(comparison.paper_rows(fits(), made(quarks), EXACT, unlike()))
    assert rows["chi2 of the SM, quarks"] == reason
    assert "draw" not in rows["chi2 of the SM, EWPOs"]


@pytest.mark.parametrize(
    ("epsilon_hat", "error", "reason"),
    [
        (-0.92, 0.1, ""),
        (-0.86, 0.25, "valley"),
        (-0.86, 0.01, "not traced"),
        (0.3, 0.25, "not traced"),
        (-0.86, None, "not traced"),
    ],
)
def test_valley_is_as_wide_as_the_error(epsilon_hat, error, reason):
    """Truth: the fit's own error of the parameter; the exact engine's fits have none."""
    rows = comparison.paper_rows(fits(epsilon_hat, error), made(), EXACT, unlike())
    assert reasons(rows)["epsilon_hat, malaphoric"] == reason


def test_improvement_by_mixing_is_taken_apart():
    """Truth: 37.6 - 31.2 = 6.4, of which LEP2 takes -0.63 + 0.02, by hand."""
    rows = reasons(comparison.paper_rows(fits(), made(), EXACT, unlike()))
    assert rows["improvement by kinetic mixing"] == "LEP2 (-0.61), not traced (+0.01)"


def test_page_explains_the_reasons_it_uses():
    """Truth: each reason once, and none that stands in no row."""
    rows = comparison.paper_rows(fits(-0.86), made(417.8), EXACT, unlike())
    text = comparison.page(rows, unlike(), "checked")
    used = {key for key in comparison.REASONS if any(key in row["reason"] for row in rows)}
    assert {"draw", "valley", "LEP2", "sum", "not traced"} <= used
    for key in comparison.REASONS:
        assert (f"* **{key}**: " in text) == (key in used)
