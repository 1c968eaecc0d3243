"""What is said about fits: each sentence where it applies, and not where it does not."""

import dataclasses

import numpy as np
import pytest

from malaphoric.inference import fits, statistics
from malaphoric.inference.results import Curve, Fit, Fits, ScanResult
from malaphoric.report import notes
from malaphoric.report.paper import FITS
from malaphoric.report.paper import PARAMETERS as NAMES
from malaphoric.scan.grid import Grid
from test_fits import N_OBS, SM
from test_statistics import parabola, write_scan

FINE = (np.arange(-12, 4) / 10, np.linspace(0, 0.3, 31), np.linspace(-0.5, 0.1, 61))


@pytest.fixture
def said(tmp_path):
    """Sentences on a scan of the given axes, by the compiled engine or by the grid alone.

    With where they are shown.
    """

    def said(axes, chi2=parabola, M_X=3000.0, minimised=True):
        write_scan(tmp_path / "scan.h5", axes, chi2, M_X)
        grid = statistics.profile(tmp_path / "scan.h5", tmp_path / "profile.h5", fits=FITS)
        box = fits.physical_box(Grid(NAMES, tuple(axes)), M_X)
        if minimised:
            args = (grid, SM, N_OBS, box, FITS, chi2, [0.68, 0.95])
            found = fits.best_fits_with_profiles(*args)
        else:
            found = fits.best_fits(grid, SM, N_OBS, box, FITS)
            curves = statistics.grid_profiles(tmp_path / "profile.h5")
            found = dataclasses.replace(found, profiles=curves)
        return notes.of_fits(found, grid, box, M_X, (0.68, 0.95), "the command")

    return said


@pytest.mark.parametrize("minimised", [True, False])
def test_nothing_is_said_of_a_good_scan(said, minimised):
    """|epsilon| = 1 and g_hat = 0 are physical limits: what reaches them is not cut."""
    assert said(FINE, minimised=minimised) == {}


def test_a_region_that_reaches_no_coupling_is_not_cut(said):
    """g_hat = 0 is the Standard Model, not an edge: g_hat = 0.1 +- 0.1."""

    def weak(points):
        return parabola(points * (1, 0.2, 1) + (0, 0.08, 0))

    assert said((FINE[0], np.linspace(0, 0.5, 26), FINE[2]), weak) == {}


@pytest.mark.parametrize("minimised", [True, False])
def test_a_region_that_reaches_the_edge_is_said_to(said, minimised):
    """An edge two errors from the best fit, and one on this side of it; the command is named."""
    found = said((FINE[0], np.linspace(0, 0.14, 15), FINE[2]), minimised=minimised)
    where = "reaches the edge of the box at g_hat = 0.14: what lies beyond is not seen."
    assert found == {
        f"The 68% region of the unmixed model {where}": ("fig2",),
        f"The 95% region {where}": ("regions", "c9"),
        "`the command` proposes another box.": (),
    }
    found = said((*FINE[:2], FINE[2][41:]), minimised=minimised)
    where = "reaches the edge of the box at theta_sb = -0.09: what lies beyond is not seen."
    assert found[f"The best fit {where}"] == ("regions", "c9", "profiles")


def test_an_interval_that_reaches_the_edge_is_said_to(said):
    """An edge 1.8 errors away: inside 95% of one parameter and of two, 68% of neither."""
    found = said((FINE[0], np.linspace(0, 0.136, 18), FINE[2]))
    where = "reaches the edge of the box at g_hat = 0.136: what lies beyond is not seen."
    assert found[f"The 95% region {where}"] == ("regions", "c9")
    assert found[f"The 95% interval {where}"] == ("profiles",)


def fits_at(unmixed, main, errors=0.02, **intervals):
    """Best fits with theta_R alone at two values."""
    found = {
        name: Fit(values={"theta_R": x}, errors={"theta_R": errors}, chi2={"global": 1.0 + x})
        for name, x in (("unmixed", unmixed), ("malaphoric", main))
    }
    curve = Curve(np.array([-1.575, 1.575]), np.zeros(2))
    found["malaphoric"].chi2["global"] = 0.0
    return Fits(held=FITS, found=found, profiles={"theta_R": curve}, intervals=intervals)


@pytest.mark.parametrize(
    ("unmixed", "main", "apart"),
    [
        (-0.1, 0.1, True),  # another sign
        (-0.01, 0.01, False),  # which means nothing within the errors
        (0.3, 0.34, False),
        (0.3, 0.8, True),  # far
        (1.56, -1.57, False),  # the same within the period
        (1.56, 0.0, True),
    ],
)
def test_fits_in_different_valleys_are_said(unmixed, main, apart):
    """Truth: signs and distances of the angles, in errors, up to the period pi."""
    found = notes.of_fits(
        fits_at(unmixed, main), ScanResult(minimum=0.0), {}, 3000.0, (0.68, 0.95), ""
    )
    said = {note: kinds for note, kinds in found.items() if "different valleys" in note}
    assert bool(said) is apart
    if apart:
        ((note, kinds),) = said.items()
        assert f"theta_R = {unmixed:.3g} and {main:.3g}" in note
        assert {"fig2", "regions", "c9"} <= set(kinds)
        assert "pulls" not in kinds


def test_intervals_across_a_border_are_explained():
    """Truth: 1.592 - pi."""
    fits = fits_at(0.0, 0.0, theta_R={"0.68": [[0.1, 0.2], [1.554, 1.592]]})
    found = notes.of_fits(fits, ScanResult(minimum=0.0), {}, 3000.0, (0.68, 0.95), "")
    (note,) = [note for note in found if "border" in note]
    assert "same again after 3.142: 1.592 is -1.55." in note
    assert found[note] == ("profiles",)


def test_the_unmixed_region_alone_reaches_the_edge(said):
    """chi2 of epsilon_hat = 0 has its minimum at g_hat = 0.29, the edge is at 0.3; Fig. 2."""

    def moved(points):
        shift = np.where(points[:, 0] == 0, -0.19, 0.0)
        return parabola(points + np.stack([0 * shift, shift, 0 * shift], axis=1))

    found = said(FINE, moved)
    assert [note for note in found if "reaches" in note] == [
        "The 68% region of the unmixed model reaches the edge of the box at g_hat = 0.3: what lies "
        "beyond is not seen."
    ]


def test_a_grid_and_a_fit_that_disagree(said):
    """Two points in g_hat: the minimum is between them."""
    found = said((FINE[0], np.array([0.0, 0.3]), FINE[2]))
    (note,) = [n for n in found if "too coarse" in n]
    assert "above the best fit; more points are needed in g_hat (steps of 0.3, error 0.02)" in note


def test_intervals_read_off_a_coarse_grid(said):
    """Fewer than three values of theta_sb inside 68%: the exact engine has nothing better."""
    axes = (*FINE[:2], np.linspace(-0.5, 0.1, 13))
    assert any("for the intervals of theta_sb" in note for note in said(axes, minimised=False))
    assert not any("for the intervals" in note for note in said(axes))


def test_a_parameter_without_effect_means_nothing(said):
    """chi2 that does not know theta_sb: its value is said to mean nothing, and it has no edge."""

    def blind(points):
        return parabola(np.where([True, True, False], points, -0.15))

    (first, second) = said(FINE, blind)
    assert first.startswith("theta_sb of the unmixed fit means nothing")
    assert second.startswith("theta_sb of the malaphoric fit means nothing")


def test_a_box_that_spans_zero_without_a_node(said):
    """Fig. 2 is lost, and the grid's unmixed fit; a grid with a node is proposed."""
    (note,) = said((np.linspace(-1.15, 0.3, 13), *FINE[1:]))
    assert "spans epsilon_hat = 0 without a node" in note
    assert "{min: -1.2, max: 0.3, points: 16}" in note
    (note,) = said((np.linspace(-1.1, -0.1, 11), *FINE[1:]))
    assert note == "There is no unmixed fit: no valid point of the box has epsilon_hat = 0."


def test_other_data_are_named():
    """Whoever sees a figure must know that its data may be invented, or are not the paper's."""
    rules = {"quarks": {"observables": {"include": ["x"]}}, "LFU": {"measurements": {}}}
    assert notes.of_data({"overlays": [], **rules}) == []
    rules["LFU"] = {"measurements": {"include": ["c"], "exclude": ["d"]}}
    found = notes.of_data({"overlays": ["a", "b"], **rules})
    assert found == ["With other data than smelli's: a, b and c."]


def test_other_minima_are_said(said):
    """Truth: a second well in theta_sb, 1.25 higher, and behind a barrier."""

    def two(points):
        chi2 = parabola(points)
        t, far = points[:, 2], parabola(points * (1, 1, -1) + (0, 0, 0.15))
        other = np.where(t > 0.075, far["quarks"] + 1.25, np.inf)
        quarks = np.minimum(chi2["quarks"], other)
        return {**chi2, "quarks": quarks, "global": quarks + 1}

    found = said((*FINE[:2], np.linspace(-0.5, 0.5, 101)), two)
    (note,) = [n for n in found if n.startswith("The malaphoric fit")]
    place = "epsilon_hat = -0.6, g_hat = 0.1 and theta_sb = 0.3 (1.25 higher)"
    assert note == f"The malaphoric fit is not the only minimum: chi2 has another at {place}."
