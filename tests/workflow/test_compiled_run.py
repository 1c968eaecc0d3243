"""The real workflow with the compiled engine: checked against smelli, independent of its split."""

import csv
import json
import shutil

import h5py
import numpy as np
import pytest

from harness import COMPILED, FIVE_CHUNKS, THREE_CHUNKS, Workflow
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines.loading import ModelLikelihood, load_engine
from malaphoric.inference import box
from malaphoric.physics.model import Model
from malaphoric.workflow.configuration import load_configuration
from malaphoric.workflow.recipes import Recipes

pytestmark = pytest.mark.slow

OUT, KEPT = "results/compiled", "results/.exact"


def test_is_checked_against_exact_points(compiled):
    """Fresh points, the paper's and near the best fits: all valid, near and within the bounds."""
    folder = compiled.folder / OUT
    with open(folder / "validation/points.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8 + 2 + 2
    assert all(float(row["chi2_minus_min"]) <= 400 for row in rows)
    near = [row for row in rows if float(row["chi2_minus_min"]) < 100]
    assert len(near) >= 4 + 2 + 2
    for row in near:
        for category, bound in {"quarks": 0.01, "EWPOs": 1e-3, "LEP2": 1e-3, "LFU": 0.01}.items():
            assert float(row[f"error_{category}"]) <= bound
    assert "validate: " in compiled.output
    assert compiled.plan() == {}


def test_every_prediction_is_that_of_smelli(compiled):
    """At the points of the check, to 3e-4 of itself or of its uncertainty."""
    folder = compiled.folder / OUT
    data = Likelihood.load(folder / "likelihood.h5")
    engine = load_engine(Model.load("b3-l2"), "compiled", 3000.0, running=folder / "running.h5")
    number = 0
    for path in (folder / "exact").glob("*.h5"):
        with h5py.File(path) as file:
            points, theirs, ckm = (file[name][:] for name in ("points", "predictions", "ckm"))
        ours = engine.evaluate(points)
        assert not any(ours.reason)
        np.testing.assert_allclose(ours.ckm, ckm, rtol=0, atol=3e-5)
        scale = np.maximum(abs(theirs), np.nan_to_num(data.measured()[1]))
        assert (abs(ours.predictions - theirs) / scale).max() < 3e-4
        number += len(points)
    assert number == 8 + 2 + 2


def test_every_figure_is_there(compiled):
    """PDF with embedded fonts, and PNG, of all figures."""
    folder = compiled.folder / OUT / "figures"
    for name in ("fig2", "fig3_left", "fig3_right", "fig4", "profiles", "c9"):
        assert (folder / f"{name}.png").stat().st_size > 10_000
        content = (folder / f"{name}.pdf").read_bytes()
        assert b"/FontFile2" in content
        assert b"CreationDate" not in content


def test_best_fits_reach_the_papers(compiled):
    """chi2_SM - chi2 of each fit against Table 4 of the paper, which it must reach to within 1."""
    fits = json.loads((compiled.folder / OUT / "best_fit.json").read_text())
    assert fits["unmixed"]["dchi2"]["global"] > 31.2 - 1
    assert fits["malaphoric"]["dchi2"]["global"] > 38.2 - 1
    assert fits["malaphoric"]["valid"]
    assert abs(fits["malaphoric"]["epsilon_hat"]) <= 1
    for name in ("epsilon_hat", "g_hat", "theta_sb"):
        assert fits["malaphoric"]["errors"][name] > 0


def test_intervals_are_those_of_a_fine_grid(compiled):
    """4400 points give the intervals of the default run's 1.7 million, and hold the best fit."""
    fits = json.loads((compiled.folder / OUT / "best_fit.json").read_text())
    fine = {
        "epsilon_hat": [None, -0.5799],
        "g_hat": [0.0536, 0.1128],
        "theta_sb": [-0.2675, -0.1016],
    }
    for name, expected in fine.items():
        ((low, high),) = fits["intervals"][name]["0.68"]
        assert [low, high] == pytest.approx(expected, abs=1e-3)
        assert (low or -1) < fits["malaphoric"][name] < high
    *notes, remedy = fits["notes"]
    where = "reaches the edge of the box at theta_sb = -0.3: what lies beyond is not seen."
    note = f"The 68% region {where}"
    assert {note, f"The 95% interval {where}"} <= set(notes)
    assert "`python -m malaphoric box b3-l2` proposes another box." in remedy
    assert note in compiled.output
    assert remedy in compiled.output
    assert note not in (compiled.folder / OUT / "tables/table4.md").read_text()  # of best fits


def test_the_default_box_is_proposed(compiled):
    """Without a scan: the 95% region that config/config.yaml found by a large one."""
    folder = compiled.folder / OUT
    model, data = Model.load("b3-l2"), Likelihood.load(folder / "likelihood.h5")
    theory = load_engine(model, "compiled", 3000.0, running=folder / "running.h5")
    found = box.propose(ModelLikelihood(model, 3000.0, theory, data))
    expected = {"epsilon_hat": [None, -0.03], "g_hat": [0.03, 0.22], "theta_sb": [-0.5, -0.033]}
    for name, region in expected.items():
        assert found.region[name] == pytest.approx(region, abs=0.01)
    grid = found.grid
    assert -1.2 <= grid["epsilon_hat"]["min"] < -1 < 0 < grid["epsilon_hat"]["max"] < 0.3
    assert (grid["theta_sb"]["max"] - grid["theta_sb"]["min"]) / grid["theta_sb"]["points"] < 0.006


def test_bytes_do_not_depend_on_chunks_cores_or_order(compiled, tmp_path):
    """One core, more chunks, and the last chunk first: every number in the same bytes.

    Everything is computed again but the exact points, which are found where runs keep them.
    """
    other = Workflow(tmp_path)
    config = other.configure(**COMPILED, chunk_minutes=FIVE_CHUNKS)
    other.borrow(compiled, KEPT)
    shutil.rmtree(tmp_path / ".snakemake")
    chunks = Recipes(load_configuration(config)).chunks
    for name in (chunks[-1], chunks[2]):
        other.run("--cores", "1", f"{OUT}/chunks/{name}.h5")
    made = {path.stem for path in (tmp_path / OUT / "chunks").glob("*.h5")}
    assert made == {chunks[-1], chunks[2]}
    other.run("--cores", "1")
    theirs = {path.name for path in (compiled.folder / OUT / "chunks").glob("*.h5")}
    assert (len(chunks), len(theirs)) == (5, 3)
    names = [path.relative_to(compiled.folder) for path in (compiled.folder / OUT).rglob("*.*")]
    names = [name for name in names if name.suffix in (".h5", ".json", ".csv", ".md", ".pdf")]
    # the record has the size of the chunks and, of one run only, the state of the repository
    names = [name for name in names if name.parent.name != "chunks" and name.stem != "record"]
    assert len(names) > 20
    for name in names:
        assert (tmp_path / name).read_bytes() == (compiled.folder / name).read_bytes(), name


def test_scan_says_what_it_was_made_from(compiled):
    """Configuration, theory, data and versions stand in the file."""
    with h5py.File(compiled.folder / OUT / "scan.h5") as file:
        theory = json.loads(file.attrs["theory"])
        assert theory["engine"] == "compiled"
        assert theory["versions"]["flavio"] == "2.7.1"
        assert len(theory["table"]) == 32
        assert json.loads(file.attrs["configuration"])["parameters"]["M_X"] == 3000
        assert json.loads(file.attrs["n_obs"])["global"] == 509


def again(compiled, folder, **changes):
    """The finished run in a folder of its own, with another configuration."""
    shutil.copytree(compiled.folder, folder, dirs_exist_ok=True)
    workflow = Workflow(folder)
    workflow.configure(**{**COMPILED, "chunk_minutes": THREE_CHUNKS, **changes})
    return workflow


def test_exact_points_are_found_again(compiled, tmp_path):
    """Another grid and other data: no exact point is computed, smelli is not even imported."""
    grid = {name: {**axis, "points": 6} for name, axis in COMPILED["parameters"].items()}
    workflow = again(compiled, tmp_path, parameters=grid, lep2_set="full")
    workflow.patch_scripts("exact_points.py", "sys.modules['smelli'] = None")
    workflow.run("--cores", "2", "--until", "validate")
    with open(tmp_path / OUT / "validation/points.csv") as file:
        assert len(list(csv.DictReader(file))) == 8 + 2  # the paper's are of the paper's data
    # that the patch would have been noticed
    shutil.rmtree(tmp_path / KEPT)
    result = workflow.run("--cores", "1", "--force", f"{OUT}/exact/0.h5", check=False)
    assert "smelli" in result.stdout


def test_a_run_without_check(compiled, tmp_path):
    """No exact point; results say so, and nothing of an earlier check is left."""
    workflow = again(compiled, tmp_path, validation={"points": 0})
    plan = workflow.plan()
    assert not {"papers_points", "validation_points", "exact_points", "validate"} & set(plan)
    assert "scan" not in plan
    figures = [f"{OUT}/figures/{name}.png" for name in ("fig2", "fig3_left", "fig4", "profiles")]
    workflow.run("--cores", "2")
    assert workflow.plan() == {}
    assert not (tmp_path / OUT / "validation").exists()
    record = json.loads((tmp_path / OUT / "record.json").read_text())
    assert not any("validation" in path for path in record["files"])
    said = "not checked against exact points"
    for name in (
        "best_fit.json",
        "record.json",
        "tables/table4.md",
        "comparison.md",
        "analytic.md",
    ):
        assert said in (tmp_path / OUT / name).read_text(), name
        assert said not in (compiled.folder / OUT / name).read_text(), name
    for path in figures:
        assert (tmp_path / path).read_bytes() != (compiled.folder / path).read_bytes()
    table = (tmp_path / OUT / "tables/table4.csv").read_text()
    assert "malaphoric: the paper," in table
    assert "the paper's point" not in table


def test_report_links_to_the_page(compiled, tmp_path):
    """Truth: the address, from the folder of the run; the page itself is not in the report."""
    compiled.run("--report", str(tmp_path / "report.html"))
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert 'href=\\"results/compiled/index.html\\"' in report
    assert '"results/compiled/index.html": {' not in report
