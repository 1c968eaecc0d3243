"""What a change makes run again: exactly what depends on it."""

import json
import os
import re
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from harness import ROOT, TINY, Workflow
from malaphoric.report.paper import FITS
from malaphoric.scan.grid import Grid

pytestmark = pytest.mark.slow

OUT = "results/tiny"

#: What is drawn and written from a scan, and what makes it.
DRAWN = {"tables", "comparison", "figures", "figures_pulls", "record", "page"}
STATISTICS = {"profile", "best_fit", *DRAWN}
WEIGHED = {"scan", *STATISTICS}

OVERLAY = """
LHCb R_K (invented):
  values:
    - {name: <Rmue>(B+->Kll), q2min: 1.1, q2max: 6.0, value: 0.9 ± 0.01}
"""
ADDITIONAL = """
Belle II (invented):
  values: {BR(B+->Knunu): 1.3 ± 0.4 e-5}
"""


def copy(finished, folder, **kwargs):
    """A finished run in a folder of its own, with Snakemake's memory of it."""
    shutil.copytree(finished.folder, folder, dirs_exist_ok=True)
    return Workflow(folder, **kwargs)


@pytest.fixture
def again(finished, tmp_path):
    return copy(finished, tmp_path)


def overlay(workflow, text=OVERLAY, **selection):
    path = workflow.folder / "new.yml"
    path.write_text(text)
    return {"data": {"overlays": [str(path)], **selection}}


def test_nothing_right_after_a_run(again):
    """Truth: nothing changed."""
    assert again.plan() == {}


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"parameters": {**TINY["parameters"], "M_X": 2900}}, {"chunk", *WEIGHED}),
        ({"model": "3b3-le-2lmu"}, {"chunk", *WEIGHED} - {"comparison"}),
        ({"smeft_accuracy": "integrate"}, {"chunk", "papers_points", *WEIGHED}),
        ({"lep2_set": "full"}, {"likelihood", *WEIGHED}),
        ({"categories": ["quarks", "LFU"]}, WEIGHED),
        ({"covariance": {"seed": 2}}, {"measurements", "likelihood", *WEIGHED}),
        ({"confidence_levels": [0.6, 0.9]}, {"best_fit", *DRAWN}),
        ({"observables_of_interest": ["m_W"]}, {"figures_pulls", "record", "page"}),
        ({"fits": {"small": {"theta_sb": -0.1}, **FITS}}, STATISTICS),
        (
            {"data": {"LFU": {"measurements": {"exclude": ["LHCb RK RK* 2022"]}}}},
            {"likelihood", *WEIGHED},
        ),
        ({"run": "other"}, {"likelihood", "chunk", "papers_points", *WEIGHED}),
    ],
    ids=lambda x: "-".join(x) if isinstance(x, dict) else "",
)
def test_a_key_of_the_configuration(again, changes, rules):
    """Truth: what the key means; theory runs for theory, the data half for data."""
    again.configure(**changes)
    assert set(again.plan()) == rules


def test_a_finer_grid(again):
    """Truth: new chunks; the exact points of the paper stay."""
    grid = {**TINY["parameters"], "theta_sb": {"min": -0.17, "max": -0.1, "points": 3}}
    again.configure(parameters=grid)
    assert set(again.plan()) == {"chunk", *WEIGHED}


def test_an_edited_model(finished, tmp_path):
    """Truth: a charge is theory."""
    text = (ROOT / "config/models/b3-l2.yaml").read_text()
    for folder, content in (("same", text), ("other", text.replace("X_H: 0", "X_H: 1"))):
        workflow = copy(finished, tmp_path / folder)
        model = workflow.folder / "b3-l2.yaml"
        model.write_text(content)
        workflow.configure(model=str(model))
        # what is no more the paper's model is not compared with it
        rules = {"chunk", *WEIGHED} - {"comparison"} if folder == "other" else set()
        assert content != text or folder == "same"
        assert set(workflow.plan()) == rules


@pytest.mark.parametrize("damage", ["deleted", "zeroed"])
def test_a_lost_chunk(again, damage):
    """Truth: a deleted chunk is made again; a damaged one is refused by name, see the faults."""
    chunk = sorted((again.folder / OUT / "chunks").glob("*.h5"))[0]
    (again.folder / OUT / "scan.h5").unlink()
    if damage == "deleted":
        chunk.unlink()
        assert again.plan()["chunk"] == 1
    else:
        os.truncate(chunk, 0)
        result = again.run("--cores", "1", "--until", "scan", check=False)
        assert result.returncode
        assert chunk.name in result.stdout


@pytest.mark.parametrize("package", ["smelli", "flavio", "wilson"])
def test_a_new_version(finished, tmp_path, package):
    """Truth: another version of what predicts, everything runs."""
    fake = tmp_path / "site" / f"{package}-99.0.dist-info"
    fake.mkdir(parents=True)
    (fake / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 99.0\n")
    workflow = copy(finished, tmp_path / "run", paths=(fake.parent,))
    found = set(workflow.plan())
    assert {"measurements", "likelihood", "chunk", "papers_points", *WEIGHED} == found


#: What is made again when a module changes.
ROOMS = {
    "report/figures": {"figures", "figures_pulls", "record", "page"},
    "inference/statistics": {*STATISTICS},
    "report/tables": {"tables", "comparison", "record", "page"},
    "physics/smeft": {"chunk", "papers_points", *WEIGHED},  # data know no model
    "data/measurements": {"likelihood", *WEIGHED},
    "engines/compiled": {"best_fit", *DRAWN},  # by way of what chooses the engine
}


@pytest.fixture
def added(finished, tmp_path):
    """A finished run of a copy of the project, and a function that adds a line to a room there."""
    project = tmp_path / "project"
    for name in ("workflow", "scripts", "config", "profiles"):
        shutil.copytree(ROOT / name, project / name)
    shutil.copy(ROOT / "Snakefile", project)

    def add(room, line):
        with (project / f"workflow/src/malaphoric/{room}.py").open("a") as file:
            file.write(f"\n{line}\n")

    return copy(finished, tmp_path / "run", project=project), add


@pytest.mark.parametrize("room", ROOMS)
def test_a_changed_module(added, room):
    """Truth: which script imports which room."""
    workflow, add = added
    add(room, "CHANGED = 1")
    assert set(workflow.plan()) == ROOMS[room]


def test_comments_change_nothing(added):
    """Truth: no number depends on them."""
    workflow, add = added
    for room in ROOMS:
        add(room, "# a comment")
    assert workflow.plan() == {}


def test_why(again):
    """Truth: the two things that were changed, in words."""
    again.configure(parameters={**TINY["parameters"], "M_X": 2900}, **overlay(again))
    command = [sys.executable, str(ROOT / "scripts/why.py"), "config.yaml"]
    run = subprocess.run(command, cwd=again.folder, capture_output=True, text=True, check=True)
    assert "parameters.M_X was 3000" in run.stdout
    assert "2900" in run.stdout
    assert "overlays was [], is ['new']" in run.stdout
    assert "chunk (2 jobs): M_X was 3000.0, is 2900.0; is not there" in run.stdout
    assert re.search(r"When these jobs last ran they took \d+ s together, on one core", run.stdout)
    assert re.search(r"New figures would be there after about \d+ s on \d+ cores", run.stdout)
    again.configure()
    run = subprocess.run(command, cwd=again.folder, capture_output=True, text=True, check=True)
    assert "Nothing would run" in run.stdout


# ------------------------------------------------------------------------------------- real runs


def stamps(workflow, run="tiny"):
    return {p.name: p.stat().st_mtime_ns for p in workflow.folder.glob(f"results/{run}/chunks/*")}


def test_run_with_an_overlay(again):
    """New data: no theory computed, chi2 of LFU moves as flavio's own average says, twice."""
    before = stamps(again)
    with h5py.File(again.folder / OUT / "scan.h5") as file:
        old = file["chi2"][:]
    moved = []
    for value in ("0.9", "0.8"):
        again.configure(**overlay(again, OVERLAY.replace("0.9", value)))
        rules = {"likelihood", *WEIGHED}
        assert set(again.plan()) == rules
        again.run("--cores", "2")
        assert again.plan() == {}
        assert stamps(again) == before
        with h5py.File(again.folder / OUT / "scan.h5") as file:
            names = list(file["category"].asstr()[:])
            difference = file["chi2"][:] - old
        for category in ("quarks", "EWPOs", "LEP2"):
            assert not difference[names.index(category)].any()
        moved.append(difference[names.index("LFU")])
    chunk = sorted((again.folder / OUT / "chunks").glob("*.h5"))[0]
    with h5py.File(chunk) as file:
        column = [o for o in json.loads(file.attrs["observables"])].index(
            ["<Rmue>(B+->Kll)", 1.1, 6.0]
        )
        first = file["points"][0], file["predictions"][0, column]
    axes = Grid.from_dict(TINY["parameters"]).axes
    index = tuple(int(np.argmin(abs(a - x))) for a, x in zip(axes, first[0], strict=True))
    for value, found in zip((0.9, 0.8), moved, strict=True):
        assert found[index] == pytest.approx(((first[1] - value) / 0.01) ** 2, rel=1e-6)


def test_run_with_an_additional_observable(again):
    """Only it is computed: files of its own beside the old chunks, which do not change."""
    before = stamps(again)
    again.configure(
        **overlay(again, ADDITIONAL, quarks={"observables": {"include": ["BR(B+->Knunu)"]}})
    )
    plan = again.plan()
    assert set(plan) == {"extra", "likelihood", "chunk", *WEIGHED}
    assert plan["chunk"] == 2
    again.run("--cores", "2")
    after = stamps(again)
    assert {k: after[k] for k in before} == before
    assert len(after) == 4
    (new, *_) = set(after) - set(before)
    with h5py.File(again.folder / OUT / "chunks" / new) as file:
        assert json.loads(file.attrs["observables"]) == ["BR(B+->Knunu)"]
        assert file["predictions"].shape == (2, 1)
        assert 3e-6 < file["predictions"][0, 0] < 1e-5
    table = (again.folder / OUT / "tables/pulls.csv").read_text()
    assert "\nBR(B+->Knunu),quarks," in table
    with h5py.File(again.folder / OUT / "scan.h5") as file:
        assert json.loads(file.attrs["n_obs"])["global"] == 510
        assert np.isfinite(file["chi2"][:]).all()


def test_run_on_a_finer_grid(again):
    """Points that both grids have are not computed again, and have the same bits."""
    with h5py.File(again.folder / OUT / "scan.h5") as file:
        old = file["chi2"][:]
    grid = {**TINY["parameters"], "theta_sb": {"min": -0.17, "max": -0.1, "points": 3}}
    again.configure(parameters=grid)
    text = again.run("--cores", "2", "--until", "scan").stdout
    found = map(int, re.findall(r"\((\d+) found in earlier files\)", text))
    assert sum(found) == 4  # of six points; each chunk says it once
    with h5py.File(again.folder / OUT / "scan.h5") as file:
        assert np.array_equal(file["chi2"][..., ::2], old)


def test_second_run_beside_the_first(again):
    """Another configuration in the same folder: its own files, the first stays as it is."""
    before = {p: p.read_bytes() for p in (again.folder / "results/tiny").glob("*.h5")}
    again.configure(run="second", categories=["quarks", "LFU"])
    (again.folder / "results/second").mkdir()
    shutil.copytree(again.folder / OUT / "chunks", again.folder / "results/second/chunks")
    assert set(again.plan()) >= {"likelihood", "scan"}
    again.run("--cores", "2", "--until", "likelihood")
    assert all(path.read_bytes() == content for path, content in before.items())
    again.configure()
    assert again.plan() == {}


def test_export_and_check(again):
    """The archive repeats the run on another machine's disk and finds the same bytes."""
    again.run("export", "--cores", "1")
    record = json.loads((again.folder / OUT / "record.json").read_text())
    assert record["data"]["n_obs"]["global"] == 509
    assert "LHCb RK RK* 2022" in record["data"]["measurements"]["LFU"]
    assert set(record["versions"]) >= {"malaphoric", "smelli", "flavio", "wilson", "numpy"}
    assert len(record["files"]) >= 10
    subprocess.run(["tar", "xzf", "results/tiny.tar.gz"], cwd=again.folder, check=True)
    folder = again.folder / "malaphoric-tiny"
    assert (folder / "Makefile").is_file()
    assert (folder / "requirements.lock").is_file()
    # the reader's `make check` without its set-up; only the figures and tables are made anew
    shutil.copytree(again.folder / "results", folder / "results")
    shutil.copytree(again.folder / ".snakemake", folder / ".snakemake", dirs_exist_ok=True)
    for path in (folder / OUT / "tables").iterdir():
        path.unlink()
    reader = Workflow(folder, project=folder)
    reader.run("--cores", "1", config=folder / "archive/config.yaml")
    check = [sys.executable, str(folder / "scripts/check.py")]
    run = subprocess.run(check, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "files are identical" in run.stdout
    with h5py.File(folder / OUT / "scan.h5", "r+") as file:
        file["chi2"][0, 0, 0, 0] += 1
    run = subprocess.run(check, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "scan.h5" in run.stdout
