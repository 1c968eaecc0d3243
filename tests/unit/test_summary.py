"""The last lines of a run."""

from pathlib import Path

import numpy as np
import pytest

from malaphoric.inference.results import Fit, Fits, ScanResult
from malaphoric.report import elements, summary


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (-0.8611, 0.2547, "-0.86 ± 0.25"),
        (0.0777, 0.0275, "0.078 ± 0.028"),
        (3000.0, 120.0, "3000 ± 120"),
        (0.123456, None, "0.1235"),
        (0.5, np.nan, "0.5"),
        (0.0, 0.0, "0"),
    ],
)
def test_errors_have_two_digits(value, error, text):
    """Truth: rounding by hand."""
    assert summary.with_error(value, error) == text


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ([[0.0362, 0.168]], "0.0362 to 0.168"),
        ([[None, -0.24]], "≤ -0.24"),
        ([[0.1, None]], "≥ 0.1"),
        ([[None, None]], "no bound"),
        ([[0.0, 0.1], [0.2, None]], "0 to 0.1 and ≥ 0.2"),
        ([], ""),
    ],
)
def test_ranges(pieces, text):
    """Truth: the ends; None is not seen."""
    assert summary.ranges(pieces) == text


def test_what_a_run_ends_with():
    """Truth: the numbers given, each once; nothing of what there is none of."""
    sm = Fit(chi2={"global": 622.916}, dof=509, p_value=0.0004)
    values, errors = {"g_hat": 0.0777}, {"g_hat": 0.0275}
    fit = Fit(
        method="x", values=values, errors=errors, chi2={"global": 584.57},
        dchi2={"global": 38.34}, p_value=0.0088, p_value_over={"SM": 2.4e-8},
    )  # fmt: skip
    fits = Fits(SM=sm, found={"main": fit}, notes={"Mind.": ()}, held={"main": {}})
    fits.intervals["g_hat"] = {"0.95": [[0.036, None]]}
    census = {"points": 100, "physical": 90, "ok": 80, "ckm": 10, "error": 0}
    page_file = Path("results/mine/index.html")
    found = summary.lines(fits, ScanResult(census=census), 0.95, "checked", page_file, 125)
    assert found[1:] == [
        "100 points (10 unphysical (|epsilon| > 1), of the 90 others 10 without CKM elements "
        "(their extraction fails)), checked; 2 min 5 s from start to end.",
        "SM: chi2 = 622.92, p-value 0.0004",
        "main: g_hat = 0.078 ± 0.028; chi2 = 584.57, 38.34 below the SM, p-value 0.0088 "
        "(2.4e-08 over SM)",
        "95% ranges: g_hat ≥ 0.036",
        "Note: Mind.",
        f"All results: results/mine/; to look at: {page_file.resolve().as_uri()}",
    ]
    empty = summary.lines(Fits(SM=sm), ScanResult(census=census), 0.95, "x", page_file, 7300)
    assert "There is no best fit." in empty
    assert "2 h 1 min" in empty[1]


def test_what_an_atlas_ends_with():
    """Truth: the lines given, with time and place."""
    file = Path("results/mine/index.html")
    assert summary.of_atlas(["2 models", "one: 1.00, number 2"], "checked", file, 61) == [
        "",
        "2 models, checked; 1 min 1 s from start to end.",
        "one: 1.00, number 2",
        f"All results: results/mine/; to look at: {file.resolve().as_uri()}",
    ]


@pytest.mark.parametrize(
    ("latex", "html"),
    [
        (r"$\hat\epsilon$", "ε̂"),
        (r"$\hat g_X$", "ĝ<sub>X</sub>"),
        (r"$\theta_{sb}$ [rad]", "θ<sub>sb</sub> [rad]"),
        ("$3B_3 - L_e - 2L_\\mu$", "3B<sub>3</sub> − L<sub>e</sub> − 2L<sub>μ</sub>"),
        (r"$\mathrm{arg}^2$ <", "arg<sup>2</sup> &lt;"),
    ],
)
def test_labels_of_the_page(latex, html):
    """Truth: as a reader would write it."""
    assert elements.html(latex) == html
