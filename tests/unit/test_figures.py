"""What figures show of scans with known chi2, and that they say what they cannot show."""

from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from malaphoric import Model
from malaphoric.inference import statistics
from malaphoric.inference.results import Fit, Fits
from malaphoric.physics.parameters import dimensionless
from malaphoric.report import figures
from test_statistics import nothing, parabola, write_scan

AXES = (np.arange(-12, 4) / 10, np.linspace(0, 0.3, 16), np.linspace(-0.4, 0.1, 21))
LEVELS = (0.68, 0.95)
PROFILED = ("profile_regions", "profile_best", "profiles")
PAGE = figures.Page("model", 3000.0, LEVELS)


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Draw a figure of a scan; returns what it consists of."""
    kept, save = [], figures._save

    def keep(figure, *rest):
        kept.append(figure)
        save(figure, *rest)

    monkeypatch.setattr(figures, "_save", keep)

    def draw(name, axes, chi2, **about):
        write_scan(tmp_path / "scan.h5", axes, chi2)
        statistics.profile(tmp_path / "scan.h5", tmp_path / "profile.h5")
        data = tmp_path / ("scan.h5" if name == "plane" else "profile.h5")
        files = tmp_path / "figure.pdf", tmp_path / "figure.png"
        getattr(figures, name)(data, replace(PAGE, **about), *files)
        assert files[0].read_bytes().startswith(b"%PDF")
        return kept[-1]

    draw.kept = lambda: kept
    draw.folder = tmp_path
    draw.png = lambda: matplotlib.image.imread(tmp_path / "figure.png")
    return draw


def texts(figure):
    """All texts in the panels."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def entries(figure):
    """Labels of the legend."""
    return [text.get_text() for legend in figure.legends for text in legend.texts]


def sentences(figure):
    """What the legend says above its labels, line by line."""
    return [s for legend in figure.legends for s in legend.get_title().get_text().splitlines()]


def contours(figure):
    """Vertices of all lines of constant chi2."""
    sets = [c for axes in figure.axes for c in axes.collections if hasattr(c, "levels")]
    return [path.vertices for c in sets if not c.filled for path in c.get_paths()]


@pytest.mark.parametrize(
    ("name", "shown", "labels"),
    [
        (
            "profile_regions",
            ("epsilon_hat", "theta_sb"),
            [r"$\hat\epsilon$", r"$\theta_{sb}$ [rad]"],
        ),
        ("profile_regions", ("g_hat", "theta_sb"), [r"$\hat g_X$", r"$\theta_{sb}$ [rad]"]),
        ("profiles", ("g_hat",), [r"$\hat g_X$"]),
    ],
)
def test_any_plane_and_any_profile(draw, tmp_path, name, shown, labels):
    """Truth: the names of the axes, and what is done with the third parameter."""
    draw("profile_regions", AXES, parabola)  # makes the profile
    files = tmp_path / "other.pdf", tmp_path / "other.png"
    profile = tmp_path / "profile.h5"
    figure = draw.kept
    getattr(figures, name)(profile, PAGE, *files, shown)
    axes = figure()[-1].axes[0]
    assert [axes.get_xlabel(), axes.get_ylabel()][: len(labels)] == labels
    if len(shown) == 2:
        (third,) = {"epsilon_hat", "g_hat", "theta_sb"} - set(shown)
        symbol = {"g_hat": r"$\hat g_X$ profiled", "epsilon_hat": r"$\hat\epsilon$ profiled"}
        assert symbol[third] in axes.get_title()


@pytest.mark.parametrize("name", ["plane", *PROFILED])
def test_parameters_are_shown_as_their_model_says(draw, name):
    """Truth: another label and no unit, wherever the angle's would be."""
    records = Model.load("b3-l2").records
    records |= {"theta_sb": dimensionless("theta_sb").described(label=r"\kappa")}
    figure = draw(name, AXES, parabola, about=records)
    shown = [f(axes) for axes in figure.axes for f in (Axes.get_xlabel, Axes.get_ylabel)]
    shown += [axes.get_title() for axes in figure.axes]
    assert any(r"$\kappa$" in text for text in shown)
    assert not any("theta" in text for text in shown)


@pytest.mark.parametrize("name", ["plane", *PROFILED])
def test_a_scan_without_a_valid_point_is_an_empty_plane(draw, name):
    """Nothing to draw is said, not raised."""
    figure = draw(name, AXES, nothing)
    assert set(texts(figure)) == {"no valid point"}
    assert not any("%" in entry for entry in entries(figure))


@pytest.mark.parametrize("name", PROFILED)
def test_a_box_beyond_the_limit_is_hatched(draw, name):
    """chi2 is known there, but no region is relative to unphysical points."""
    figure = draw(name, (np.linspace(1.1, 1.5, 5), *AXES[1:]), parabola)
    assert any(entry.startswith("unphysical") for entry in entries(figure))
    if name != "profiles":
        assert texts(figure) == ["no physical point"]


@pytest.mark.parametrize("name", ["profile_regions", "profile_best"])
def test_regions_are_relative_to_the_physical_minimum(draw, name):
    """chi2 falls towards epsilon_hat = -1.2: the 95% line is 5.99 above its value at -1."""

    def falling(points):
        value = 50 * points[:, 0] + 1e4 * (points[:, 1] - 0.15) ** 2
        return {"global": 100 + value + (points[:, 2] / 0.01) ** 2}

    figure = draw(name, AXES, falling)
    expected = -1 + statistics.delta_chi2_level(0.95, 2) / 50
    assert max(v[:, 0].max() for v in contours(figure)) == pytest.approx(expected, abs=0.01)


def test_legend_stays_on_the_page():
    """Truth: the page; as many columns as fit, and the panels keep their height."""
    for label, columns in (("short", 3), ("EWPOs 68%, ticks: side", 2), ("x" * 60, 1)):
        with matplotlib.rc_context(figures._STYLE):
            figure, axes = figures._new_figure()
            figure.draw_without_rendering()
            height = axes.bbox.height
            figures._legend(axes, ["said above"] + [Line2D([], [], label=label) for _ in range(7)])
            figure.draw_without_rendering()
        assert axes.bbox.height == pytest.approx(height, rel=0.05)
        (legend,) = figure.legends
        box = legend.get_window_extent()
        assert (box.x0 > 0, box.x1 < figure.bbox.width, legend._ncols) == (True, True, columns)


def test_theta_is_profiled_only_where_it_varies(draw):
    """The title of a plane says it nowhere else."""
    assert "profiled" in draw("profile_regions", AXES, parabola).axes[0].get_title()
    fixed = draw("profile_regions", (*AXES[:2], np.array([-0.15])), parabola).axes[0].get_title()
    assert "profiled" not in fixed


def titles(figure):
    """Titles of the panels that have one."""
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


@pytest.mark.parametrize("name", ["profile_best", "profiles"])
def test_a_fixed_parameter_is_named_by_every_figure(draw, name):
    """Truth: what the page says of the run; the pulls name it, too."""
    fixed = {"theta_R": 0.32, "theta_13": -0.1, "theta_12": 0.25}
    about = {"fixed": fixed, "title": "model with a name that is long " * 2}
    (title,) = titles(draw(name, AXES, parabola, **about))
    for words in (r"$\theta_{R} = 0.32$", r"$\theta_{13} = -0.1$", "$M_X = 3$ TeV", "model"):
        assert words in title
    assert title.count("\n") == (name == "profile_best")  # too long for one line of a column
    files = [draw.folder / "pulls.pdf", draw.folder / "pulls.png"]
    figures.pulls([], replace(PAGE, fixed=fixed), *files)
    assert "0.32" in titles(draw.kept()[-1])[0]


def test_notes_have_the_symbols_of_the_axes():
    """Truth: by hand; English words and prices are neither parameters nor LaTeX."""
    about = {**Model.load("b3-l2").records, "a": dimensionless("a")}
    for text, expected in [
        ("at g_hat = 0.3: a limit", r"at $\hat g_X$ = 0.3: a limit"),
        ("steps of theta_sb, |epsilon| <= 1", r"steps of $\theta_{sb}$, |$\epsilon$| ≤ 1"),
        ("a = 0.1 and chi2_SM - chi2, $5", r"$a$ = 0.1 and chi2_SM - $\chi^2$, \$5"),
        ("`box b3-l2 --data results/g_hat/x.h5`", "`box b3-l2 --data results/g_hat/x.h5`"),
    ]:
        assert figures._typeset(text, about) == expected


def coupling(tmp_path, monkeypatch, epsilon_hat, chi2, **about):
    """The plane of M_X and g_X of a scan in epsilon_hat, g_hat and M_X."""
    kept, save = [], figures._save
    monkeypatch.setattr(figures, "_save", lambda *a: (kept.append(a[0]), save(*a)))
    names = ("epsilon_hat", "g_hat", "M_X")
    axes = (epsilon_hat, np.linspace(0, 0.3, 31), np.linspace(1000.0, 9000.0, 17))
    write_scan(tmp_path / "scan.h5", axes, chi2, None, names=names)
    statistics.profile(tmp_path / "scan.h5", tmp_path / "profile.h5")
    files = tmp_path / "a.pdf", tmp_path / "a.png"
    figures.mass_coupling(tmp_path / "profile.h5", replace(PAGE, M_X=None, **about), *files)
    return kept[-1]


def test_mass_and_coupling(tmp_path, monkeypatch):
    """Truth: a region in g_hat is one in g_X M_X / 3 TeV, and |epsilon| = 1 from 6 TeV on."""

    def chi2(points):
        epsilon_hat, g_hat, _ = points.T
        return {"global": ((g_hat - 0.15) / 0.02) ** 2 + ((epsilon_hat + 0.5) / 0.2) ** 2}

    best = {"epsilon_hat": -0.5, "g_hat": 0.15, "M_X": 2000.0}
    given = (tmp_path, monkeypatch, np.linspace(-1, 0, 41), chi2)
    figure = coupling(*given, fits=by_name(best, undetermined=["M_X"]))
    axes = figure.axes[0]
    assert (axes.get_xlabel(), "3" in axes.get_ylabel()) == ("$M_X$ [TeV]", True)
    lines = contours(figure)
    edge = 0.15 + 0.02 * np.sqrt(5.99)
    at_three = [v for v in np.concatenate(lines) if abs(v[0] - 3) < 0.01]
    assert max(y for _, y in at_three) == pytest.approx(edge, abs=0.002)
    (star,) = [line for line in axes.lines if line.get_marker() == "*"]
    assert [star.get_xdata()[0], star.get_ydata()[0]] == pytest.approx([2, 0.1])
    assert star.get_markerfacecolor() == "none"
    (hatched,) = [c for c in axes.collections if getattr(c, "hatches", [None])[0]]
    left = min(p.vertices[:, 0].min() for p in hatched.get_paths() if len(p.vertices))
    assert left == pytest.approx(6, abs=0.5)
    assert any(r"minimum at $|\epsilon| = 1$" in entry for entry in entries(figure))
    small = np.linspace(-0.1, 0, 5)  # nowhere near the limit
    figure = coupling(*given[:2], small, chi2)
    assert not any("epsilon" in entry for entry in entries(figure))


def test_mass_and_coupling_at_fixed_mixing(tmp_path, monkeypatch):
    """Truth: epsilon_hat = -0.6 is unphysical above 5 TeV."""

    def chi2(points):
        return {"global": ((points[:, 1] - 0.15) / 0.02) ** 2}

    figure = coupling(tmp_path, monkeypatch, np.array([-0.6]), chi2)
    assert any(entry.startswith("unphysical") for entry in entries(figure))
    (span,) = figure.axes[0].patches
    assert span.get_x() == pytest.approx(5)


@pytest.mark.parametrize("theta", [AXES[2], np.array([-0.15])], ids=["profiled", "fixed"])
def test_masses(tmp_path, monkeypatch, theta):
    """The title says what is done with theta_sb, small print what the box cuts, the PNG its mark.

    chi2 of the parabola at epsilon_hat = -1, the edge: 95% at 1 TeV reach it; at 3 TeV it is a
    physical limit.
    """
    shown, save = [], figures._save
    monkeypatch.setattr(figures, "_save", lambda *a: (shown.append(a), save(*a)))
    files = {}
    for mass in (1000.0, 3000.0):
        files[mass] = tmp_path / f"{mass:g}.h5"
        scan = tmp_path / "scan.h5"
        write_scan(scan, (np.arange(-10, 4) / 10, AXES[1], theta), parabola, mass)
        statistics.profile(scan, files[mass], 3000.0)
    out = tmp_path / "a.pdf", tmp_path / "a.png"
    page = replace(PAGE, M_X=None)
    figures.masses(files, page, *out, ["With other data than smelli's: new."], "marked so")
    figure, notes = shown[0][0], " ".join(shown[0][3])
    assert ("profiled" in figure.axes[0].get_title()) == (len(theta) > 1)
    assert "With other data than smelli's: new." in notes
    assert "Regions of M_X = 1 TeV reach the edge of the box" in notes
    assert b"marked so" in out[1].read_bytes()


def test_pulls_without_a_best_fit(tmp_path, monkeypatch):
    """Only the Standard Model is drawn."""
    shown, save = [], figures._save
    monkeypatch.setattr(figures, "_save", lambda *a: (shown.append(a), save(*a)))
    row = {"observable": "m_W", "label": "m_W", "pull_sm": -1.0}
    for pull, expected in (("", ["SM"]), (0.5, ["SM", "best fit"])):
        files = tmp_path / "a.pdf", tmp_path / "a.png"
        figures.pulls([{**row, "pull": pull}], PAGE, *files)
        assert entries(shown[-1][0]) == expected


@pytest.mark.parametrize("name", ["plane", "profile_regions", "profile_best"])
def test_no_entry_of_the_legend_without_its_line(draw, name):
    """Where everything is allowed there is no border, and the legend says so."""

    def flat(points):
        return {"EWPOs": np.full(len(points), 1.0), "global": 1 + 1e-3 * points[:, 1]}

    figure = draw(name, AXES, flat)
    assert "at 95% the whole plane is allowed by: global" in sentences(figure)
    assert ("at 68% the whole plane is allowed by: EWPOs" in sentences(figure)) == (
        name != "profile_best"
    )
    assert "global 95%" in entries(draw(name, AXES, parabola))


def test_sentences_of_a_legend():
    """Truth: by hand; what is said of several is said once."""
    said = ["ticks", "no bound: LFU", "ticks", "no bound: LEP2"]
    assert figures._sentences(said) == ["ticks", "no bound: LFU, LEP2"]


def test_notes_stand_in_small_print_below(draw):
    """A figure with notes is the same figure, with room for them below."""
    draw("profile_regions", AXES, parabola)
    before = draw.png()
    notes = ["The first note. " * 20, "Costs $5, not LaTeX."]
    below = {**dict.fromkeys(notes, ("regions",)), "Of others.": ("fig2", "pulls")}
    figure = draw("profile_regions", AXES, parabola, fits=Fits(notes=below))
    after = draw.png()
    assert any("first note" in text.get_text() for text in figure.texts)
    assert not any("Of others" in text.get_text() for text in figure.texts)
    assert after.shape[0] > before.shape[0] + 50
    assert after.shape[1] == before.shape[1]
    height = before.shape[0]
    # up to the softening of edges, when the page is no whole number of pixels higher
    assert np.abs(after[: height - 10] - before[:-10]).mean() < 0.01
    assert (after[height:] < 0.5).any()


def by_name(values, **known):
    """Best fits whose main one this is."""
    return Fits(held={"main": {}}, found={"main": Fit(values=values, **known)})


def test_a_best_fit_that_nothing_determines_is_hollow(draw):
    """Not valid, or of parameters that chi2 does not depend on."""
    best = {"epsilon_hat": -0.6, "g_hat": 0.1, "theta_sb": -0.15}
    solid = draw("profile_regions", AXES, parabola, fits=by_name(best, valid=True))
    assert "best fit" in entries(solid)
    for loose in ({"valid": False}, {"valid": True, "undetermined": ["g_hat"]}):
        figure = draw("profile_regions", AXES, parabola, fits=by_name(best, **loose))
        assert "best fit (not determined)" in entries(figure)
    other = {"valid": True, "undetermined": ["theta_sb"]}
    figure = draw("profile_regions", AXES, parabola, fits=by_name(best, **other))
    assert "best fit" in entries(figure)


def test_no_observable_of_interest_counts(tmp_path):
    """Truth: the sentence in the figure's place; with categories left out there may be none."""
    paths = tmp_path / "a.pdf", tmp_path / "a.png"
    figures.pulls([], PAGE, *paths)
    assert all(path.stat().st_size > 3000 for path in paths)
