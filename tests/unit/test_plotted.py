"""The numbers beside a figure, against the scan that it shows."""

import numpy as np
import pytest

from malaphoric.inference import statistics
from malaphoric.inference.results import Fits
from malaphoric.report import plotted
from test_statistics import parabola, write_scan

AXES = (np.arange(-12, 4) / 10, np.linspace(0, 0.3, 16), np.linspace(-0.4, 0.1, 21))
NAMES = ("epsilon_hat", "g_hat", "theta_sb")


@pytest.fixture
def files(tmp_path):
    """A scan of a parabola and its profile."""
    found = {"scan": tmp_path / "scan.h5", "profile": tmp_path / "profile.h5"}
    write_scan(found["scan"], AXES, parabola)
    statistics.profile(found["scan"], found["profile"])
    return found


@pytest.mark.parametrize(
    ("name", "shown"), [("fig3_left", ()), ("fig3_right", ()), ("planes/x", ("g_hat", "theta_sb"))]
)
def test_plane(files, name, shown):
    """Truth: the closed form at the row's own point, which is the minimum that it says."""
    found = plotted.rows(name, files, Fits(), shown)
    pair = shown or NAMES[:2]
    assert len(found) == np.prod([len(AXES[NAMES.index(n)]) for n in pair])
    assert list(found[0])[:2] == list(pair)
    for row in found[::17]:
        chi2 = parabola([row[name] for name in NAMES])
        # the minimum of a parabola through nodes, or of nodes
        assert row["chi2_global"] == pytest.approx(chi2["global"][0], abs=1e-6)
        assert row["chi2_LEP2"] == 1


def test_unmixed_plane_and_profiles(files):
    """Truth: the closed form without mixing; the smallest chi2 of the scan."""
    for row in plotted.rows("fig2", files, Fits())[::13]:
        chi2 = parabola([0.0, row["g_hat"], row["theta_sb"]])
        assert row["chi2_quarks"] == pytest.approx(chi2["quarks"][0], rel=1e-12)
    found = plotted.rows("profiles", files, Fits())
    assert {row["parameter"] for row in found} == set(NAMES)
    best = min(found, key=lambda row: row["chi2_global"])
    assert best["chi2_global"] == pytest.approx(101, abs=0.5)
    only = plotted.rows("profiles/g_hat", files, Fits(), ("g_hat",))
    assert only == [row for row in found if row["parameter"] == "g_hat"]


def test_masses(files):
    """Truth: the plane of each mass, after its mass."""
    plane = plotted.rows("fig3_left", files, Fits())
    found = plotted.masses({1000.0: files["profile"], 3000.0: files["profile"]})
    assert [row.pop("M_X") for row in found] == [1000.0] * len(plane) + [3000.0] * len(plane)
    assert found == plane + plane


def test_pulls(files):
    """Truth: the rows given; a title without rows."""
    row = {"observable": "a", "category": "quarks", "pull_sm": 1.0, "pull": "", "label": "$a$"}
    assert plotted.rows("fig4", files, Fits(), pulls=[row]) == [
        {"observable": "a", "category": "quarks", "pull_sm": 1.0, "pull": ""}
    ]
    assert list(plotted.rows("fig4", files, Fits())[0]) == list(
        ("observable", "category", "pull_sm", "pull")
    )
