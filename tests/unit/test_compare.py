"""scripts/compare.py: two small runs whose minima are known, side by side, and their tables."""

import importlib.util

import numpy as np
import pytest

from malaphoric import store
from malaphoric.inference import statistics
from malaphoric.inference.results import Fit, Fits
from malaphoric.physics.model import Model
from malaphoric.report import figures, tables
from malaphoric.report.paper import FITS
from malaphoric.schema import ROOT, ConfigurationError
from test_figures import AXES, entries, sentences
from test_statistics import MINIMUM, NAMES, nothing, parabola, write_scan

SPEC = importlib.util.spec_from_file_location("compare_script", ROOT / "scripts/compare.py")
SCRIPT = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(SCRIPT)

SHIFT = np.array([0.1, 0.03, 0.0])
INTEREST = ["m_W", "<P5p>(B0->K*mumu) 4 6", "DeltaM_s"]
PULLS = {"m_W": (-2.0, -1.5), "<P5p>(B0->K*mumu) 4 6": (-2.5, -0.5), "not asked for": (9, 9)}


def run(folder, name, chi2=parabola, minimum=MINIMUM, M_X=3000.0, pulls=PULLS):
    """A finished run, as far as it is read."""
    folder = folder / name
    folder.mkdir()
    write_scan(folder / "scan.h5", AXES, chi2)
    statistics.profile(folder / "scan.h5", folder / "profile.h5")
    fit = Fit(values=dict(zip(NAMES, minimum.tolist(), strict=True)))
    fits = Fits(
        held=FITS,
        found={"malaphoric": fit},
        notes={"A note.": ("regions",), "Of pulls.": ("pulls",)},
    )
    store.write_json(folder / "best_fit.json", fits.as_dict())
    model = Model.load("b3-l2")
    drawn = {"title": "a model", "levels": [0.68, 0.95], "observables": INTEREST, "M_X": M_X}
    drawn["fixed"] = {}
    record = {
        "configuration": {"run": name},
        "theory": {"model": model.as_dict(), "M_X": M_X},
        "recipes": {"figures_pulls": {"settings": {**drawn, "model": model.as_dict("label")}}},
    }
    store.write_json(folder / "record.json", record)
    written = {
        "table1": [{"set": "global", "chi2": 600.0, "n_obs": 509, "p_value": 0.003}],
        "table4": [{"fit": x, "dchi2_global": 38.0} for x in ("SM", "unmixed: the paper")],
        "pulls": [
            {"observable": key, "label": key, "pull_sm": sm, "pull": fit}
            for key, (sm, fit) in pulls.items()
        ],
    }
    for table, rows in written.items():
        store.write_csv(folder / f"tables/{table}.csv", rows)
    return folder


def moved(points):
    """The parabola with its minimum elsewhere."""
    return parabola(points - SHIFT)


@pytest.fixture
def drawn(monkeypatch):
    """Figures and their notes, by the names of their files, which take long to write."""
    kept = {}

    def keep(figure, pdf, png, notes, about, mark):
        kept[pdf.stem] = figure, notes
        figures.plt.close(figure)

    monkeypatch.setattr(figures, "_save", keep)
    return kept


def test_two_runs(tmp_path, drawn):
    """Truth: the minima, in the middle of the outlines of the old and the filled regions."""
    old = run(tmp_path, "old")
    new = run(tmp_path, "new", moved, MINIMUM + SHIFT, pulls={**PULLS, "DeltaM_s": (0.5, 0.1)})
    SCRIPT.main(old, new, tmp_path / "out")
    planes = {"regions-epsilon_hat-g_hat", "regions-epsilon_hat-theta_sb", "regions-g_hat-theta_sb"}
    of_categories = {name.replace("regions", "categories") for name in planes}
    assert set(drawn) == {*planes, *of_categories, "pulls"}
    figure, notes = drawn["regions-epsilon_hat-g_hat"]
    assert notes == ["old: A note.", "new: A note."]
    labels = ["old 68%", "old 95%", "new 68%", "new 95%", "best fit, old"]
    assert entries(figure)[:5] == labels
    assert entries(figure)[-1] == "best fit, new"
    lines = [c for c in figure.axes[0].collections if hasattr(c, "levels") and not c.filled]
    for contour, minimum in zip(lines, (MINIMUM, MINIMUM + SHIFT), strict=True):
        inner = contour.get_paths()[0].vertices
        middle = (inner.min(axis=0) + inner.max(axis=0)) / 2
        assert middle == pytest.approx(minimum[:2], abs=0.02)

    (row,) = store.read_csv(tmp_path / "out/table1.csv")
    assert (row["chi2 old"], row["n_obs new"]) == (600.0, 509.0)
    rows = store.read_csv(tmp_path / "out/table4.csv")
    assert [(row["fit"], row["run"]) for row in rows] == [("SM", "old"), ("SM", "new")]


def test_categories_of_two_runs(tmp_path, drawn):
    """Truth: the minima of each category; what of a category is all of the plane is said."""

    def apart(points):
        chi2 = parabola(points)
        return {"quarks": chi2["quarks"], "LFU": moved(points)["quarks"], "global": chi2["global"]}

    def flat(points):
        return {**apart(points), "LFU": np.ones(len(points))}

    old, new = run(tmp_path, "old", apart), run(tmp_path, "new", flat)
    SCRIPT.main(old, new, tmp_path / "out")
    figure, notes = drawn["categories-epsilon_hat-g_hat"]
    assert notes == ["old: A note.", "new: A note."]
    assert [axes.get_title() for axes in figure.axes] == ["quarks", "LFU"]
    for axes, minimum in zip(figure.axes, (MINIMUM, MINIMUM + SHIFT), strict=True):
        outline = next(c for c in axes.collections if hasattr(c, "levels") and not c.filled)
        inner = outline.get_paths()[0].vertices
        middle = (inner.min(axis=0) + inner.max(axis=0)) / 2
        assert middle == pytest.approx(minimum[:2], abs=0.02)
    labels = ["old 68%", "old 95%", "new 68%", "new 95%"]
    assert entries(figure)[:4] == labels
    assert "LFU, at 95% the whole plane is allowed by: new" in sentences(figure)


def test_pulls_of_two_runs(tmp_path, drawn):
    """Truth: what is asked for, in this order; an observable that only one run has is shown."""
    old = run(tmp_path, "old")
    new = run(tmp_path, "new", pulls={**PULLS, "DeltaM_s": (0.5, 0.1), "m_W": (-1.0, 0.0)})
    SCRIPT.main(old, new, tmp_path / "out")
    axes = drawn["pulls"][0].axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [*list(PULLS)[:2], "DeltaM_s"]
    points = {line.get_label(): line for line in axes.lines if line.get_marker() == "o"}
    assert points["SM, old"].get_xdata().tolist() == [-2.0, -2.5]
    assert points["best fit, new"].get_xdata().tolist() == [0.0, -0.5, 0.1]
    assert points["SM, old"].get_ydata()[0] > points["SM, new"].get_ydata()[0] > 1.5


def test_a_run_without_a_valid_point(tmp_path, drawn):
    """Nothing to draw is said in the legend, not raised."""
    SCRIPT.main(run(tmp_path, "old", nothing), run(tmp_path, "new"), tmp_path / "out")
    assert "no physical point: old" in sentences(drawn["regions-epsilon_hat-g_hat"][0])


def test_an_atlas_is_refused(tmp_path):
    """It has many models, and a record without one."""
    old, new = run(tmp_path, "old"), run(tmp_path, "atlas")
    record = store.parse((new / "record.json").read_text())
    record["theory"].pop("model")
    store.write_json(new / "record.json", record)
    for folders in ((old, new), (new, old)):
        with pytest.raises(ConfigurationError, match="atlas is not accepted; accepted: a finished"):
            SCRIPT.main(*folders, tmp_path / "out")


def test_other_theory_is_refused(tmp_path):
    """Truth: another mass, and the same run twice, are no comparison of data."""
    old = run(tmp_path, "old")
    for new in (run(tmp_path, "heavy", M_X=5000.0), old):
        with pytest.raises(ConfigurationError, match="cannot be compared"):
            SCRIPT.main(old, new, tmp_path / "out")


def test_tables_of_runs_with_other_categories():
    """Truth: what only one run has is empty in the other."""
    one = [{"set": "quarks", "chi2": 1.0, "n_obs": 2.0, "p_value": 0.5}]
    rows = tables.compared_table1({"a": one, "b": [*one, {**one[0], "set": "LFU"}]})
    assert [(row["set"], row["chi2 a"], row["chi2 b"]) for row in rows] == [
        ("quarks", 1.0, 1.0),
        ("LFU", "", 1.0),
    ]
    fit = {"fit": "malaphoric: best fit", "g_hat": 0.1}
    rows = tables.compared_table4({"a": [fit], "b": [{**fit, "more": 1.0}]})
    assert [(row["run"], row["more"]) for row in rows] == [("a", ""), ("b", 1.0)]
