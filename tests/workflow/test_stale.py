"""No result is ever stale: folders that Snakemake does not know, jobs that outlive their run, data
and code that change under time stamps that do not.

What a key of the configuration makes run again is in `test_rerun`, what a fault does in
`test_faults`.
"""

import contextlib
import json
import os
import shutil
import signal
import time

import h5py
import psutil
import pytest

from harness import COMPILED, ROOT, THREE_CHUNKS, Workflow
from malaphoric import store

pytestmark = pytest.mark.slow

OUT = "results/compiled"
BASE = {**COMPILED, "chunk_minutes": THREE_CHUNKS}


@pytest.fixture
def copied(compiled, tmp_path):
    """A copied results folder of which Snakemake remembers nothing."""
    shutil.copytree(compiled.folder / OUT, tmp_path / OUT)
    workflow = Workflow(tmp_path)
    workflow.configure(**BASE)
    return workflow


@pytest.fixture
def again(copied, compiled):
    """A finished run with Snakemake's memory of it."""
    shutil.copytree(compiled.folder / ".snakemake", copied.folder / ".snakemake")
    return copied


def until_profile(workflow, *options):
    return workflow.run("--cores", "1", "--until", "profile", *options).stdout


def n_obs(workflow, name=OUT):
    with h5py.File(workflow.folder / name / "profile.h5") as file:
        return json.loads(file.attrs["n_obs"])


# ---------------------------------------------------------------- what Snakemake does not remember


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"lep2_set": "full"}, "likelihood"),
        ({"covariance": {"seed": 2}}, "measurements"),
        ({"categories": ["quarks"]}, "scan"),
        ({"model": "3b3-le-2lmu"}, "running"),
        ({"parameters": {**BASE["parameters"], "M_X": 2900}}, "running"),
    ],
    ids=lambda x: "-".join(x) if isinstance(x, dict) else "",
)
def test_copied_folder_under_another_configuration(copied, changes, first):
    """Truth: what the key means; everything from the first rule on is planned."""
    (copied.folder / OUT).rename(copied.folder / "results/copy")
    copied.configure(**{**BASE, **changes, "run": "copy"})
    assert {first, "scan", "profile", "best_fit", "tables", "record"} <= set(copied.plan())


def test_copied_folder_holds_what_is_asked_for(copied):
    """Truth: 153 entries of LEP2, and no chunk is evaluated but with the new data."""
    copied.configure(**{**BASE, "lep2_set": "full"})
    until_profile(copied)
    assert n_obs(copied)["LEP2"] == 153
    copied.configure(**BASE)
    text = until_profile(copied)
    assert n_obs(copied)["LEP2"] == 148
    assert "chunk, " not in text  # those of the old data are still there


def test_forgotten_run_gives_the_same_bytes(copied, compiled):
    """Truth: the undisturbed run; its chunks are known by their names and content."""
    assert "chunk" not in copied.plan()
    until_profile(copied)
    for name in ("scan.h5", "profile.h5", "best_grid.json"):
        ours = (copied.folder / OUT / name).read_bytes()
        assert ours == (compiled.folder / OUT / name).read_bytes(), name


def test_foreign_file_is_made_again(again, tmp_path_factory):
    """Truth: the mark of the recipe in the file; Snakemake's own memory says that all is well."""
    assert again.plan() == {}
    other = Workflow(tmp_path_factory.mktemp("other"))
    other.configure(**{**BASE, "lep2_set": "full"})
    other.run("--cores", "1", "--until", "likelihood")
    target = again.folder / OUT / "likelihood.h5"
    before = target.read_bytes()
    shutil.copy(other.folder / OUT / "likelihood.h5", target)
    text = until_profile(again)
    assert "likelihood: chi2 of the Standard Model" in text
    assert target.read_bytes() == before


def test_reader_refuses_a_foreign_file(again, tmp_path_factory):
    """Truth: the mark of the recipe, when a file is replaced after Snakemake has started."""
    likelihood = again.folder / OUT / "likelihood.h5"
    with store.signing("0" * 32, lambda: True), store.create(again.folder / "foreign.h5"):
        pass
    foreign = again.folder / "foreign.h5"
    again.configure(**{**BASE, "categories": ["quarks"]})
    again.patch_scripts(
        "scan.py", f"import shutil; shutil.copy({str(foreign)!r}, {OUT!r} + '/likelihood.h5')"
    )
    result = again.run("--cores", "1", "--until", "scan", check=False)
    assert result.returncode == 1
    assert f"scan: {OUT}/likelihood.h5: made by another configuration" in result.stdout
    assert "Traceback" not in result.stdout
    assert likelihood.read_bytes() == foreign.read_bytes()


# ------------------------------------------------------------------------- jobs that outlive a run


def wait_for(condition, process=None):
    """Wait for an event; a process that ends without it fails the test."""
    while not (found := condition()):
        assert process is None or process.poll() is None
        time.sleep(0.05)
    return found


def test_orphan_writes_nothing(copied):
    """kill -9 of Snakemake while `likelihood` runs; another configuration; then the orphan ends."""
    shutil.rmtree(copied.folder / OUT)
    copied.configure(**{**BASE, "lep2_set": "full"})
    marks = copied.folder / "started", copied.folder / "go"
    copied.patch_scripts(
        "likelihood.py",
        f"""
import time, pathlib, malaphoric.data.likelihood as room
save = room.Likelihood.save
def held_back(self, path):
    pathlib.Path({str(marks[0])!r}).write_text(str(__import__("os").getpid()))
    while not pathlib.Path({str(marks[1])!r}).exists():
        time.sleep(0.05)
    save(self, path)
room.Likelihood.save = held_back
""",
    )
    process = copied.start("--cores", "1", "--until", "likelihood")
    orphan = psutil.Process(
        int(wait_for(lambda: marks[0].exists() and marks[0].read_text(), process))
    )
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert orphan.is_running()
    del copied.environment["PYTHONPATH"]
    copied.configure(**BASE)
    copied.run("--unlock")
    copied.run("--cores", "1", "--until", "likelihood")
    target = copied.folder / OUT / "likelihood.h5"
    before = target.read_bytes()
    marks[1].touch()
    with contextlib.suppress(psutil.NoSuchProcess):
        orphan.wait()
    assert target.read_bytes() == before
    assert not list(target.parent.glob(".*.tmp"))
    log = (target.parent / "logs/likelihood.log").read_text()
    assert f"likelihood.h5: not written: {store.SUPERSEDED}" in log
    assert copied.plan("--until", "likelihood") == {}


def test_dry_run_disturbs_no_job(copied):
    """Another configuration is planned while a job runs: the job's file is written all the same."""
    (copied.folder / OUT / "likelihood.h5").unlink()
    marks = copied.folder / "started", copied.folder / "go"
    copied.patch_scripts(
        "likelihood.py",
        f"""
import time, pathlib
pathlib.Path({str(marks[0])!r}).touch()
while not pathlib.Path({str(marks[1])!r}).exists():
    time.sleep(0.05)
""",
    )
    process = copied.start("--cores", "1", "--until", "likelihood")
    wait_for(marks[0].exists, process)
    config = copied.folder / "other.yaml"
    config.write_text((copied.folder / "config.yaml").read_text() + "lep2_set: full\n")
    assert "likelihood" in copied.run("--dry-run", "--nolock", config=config).stdout
    refused = copied.run("--cores", "1", config=config, check=False)
    assert "Directory cannot be locked" in refused.stdout
    marks[1].touch()
    assert process.wait() == 0
    assert (copied.folder / OUT / "likelihood.h5").exists()


# -------------------------------------------------------------- data and code under old time stamps

OVERLAY = """
LHCb R_K (invented):
  values:
    - {{name: <Rmue>(B+->Kll), q2min: 1.1, q2max: 6.0, value: {} ± 0.01}}
"""


def test_overlay_with_an_old_time_stamp(again):
    """Truth: its content; the file is older than all results."""
    path = again.folder / "new.yml"
    path.write_text(OVERLAY.format(0.9))
    again.configure(**BASE, data={"overlays": [str(path)]})
    until_profile(again)
    assert "likelihood" not in again.plan("--until", "profile")
    path.write_text(OVERLAY.format(0.8))
    os.utime(path, (1e9, 1e9))
    assert {"likelihood", "chunk", "scan"} <= set(again.plan())


@pytest.fixture
def project(tmp_path):
    """A copy of the project whose files can be changed."""
    folder = tmp_path / "project"
    for name in ("workflow", "scripts", "config", "profiles"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "Snakefile", folder)
    return folder


def test_shipped_data(again, project):
    """Truth: a cross section of LEP2 (189 GeV, in both sets) doubled, with its old time stamp."""
    again.project = project
    again.environment["PYTHONPATH"] = str(project / "workflow/src")
    assert again.plan() == {}
    path = project / "workflow/src/malaphoric/data/lep2/sigma_afb.csv"
    text = path.read_text()
    stamp = path.stat().st_mtime_ns
    lines = text.splitlines()
    (number,) = (i for i, line in enumerate(lines) if line.startswith("sigma_mumu,189,"))
    cells = lines[number].split(",")
    value = lines[0].split(",").index("value")
    cells[value] = str(float(cells[value]) * 2)
    lines[number] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")
    os.utime(path, ns=(stamp, stamp))
    assert {"likelihood", "scan", "tables", "record"} <= set(again.plan())
    assert "running" not in again.plan()
    again.run("--cores", "1", "--until", "likelihood")
    with h5py.File(again.folder / OUT / "likelihood.h5") as file:
        off = (float(cells[value]) - float(cells[value + 4])) / float(cells[value + 3])
        assert json.loads(file.attrs["chi2_sm"])["LEP2"] > 0.5 * off**2


@pytest.mark.parametrize("package", ["ckmutil", "rundec", "scipy", "numpy"])
def test_another_version(again, package):
    """Truth: predictions are made with it."""
    fake = again.folder / "site" / f"{package}-99.0.dist-info"
    fake.mkdir(parents=True)
    (fake / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 99.0\n")
    again.environment["PYTHONPATH"] = str(fake.parent)
    assert {"likelihood", "running", "chunk", "scan"} <= set(again.plan())


@pytest.mark.parametrize(
    ("room", "rules"),
    [
        ("scan/chunks", {"chunk"}),
        ("scan/merging", {"scan"}),
        ("inference/statistics", {"profile"}),
        ("scan/grid", {"chunk"}),
    ],
)
def test_code(again, project, room, rules):
    """Truth: what writes chunks is among the reasons of a chunk, and so on."""
    again.project = project
    again.environment["PYTHONPATH"] = str(project / "workflow/src")
    path = project / "workflow/src/malaphoric" / f"{room}.py"
    path.write_text(path.read_text() + "\nCHANGED = 1\n")
    assert rules <= set(again.plan())


def test_masses_follow_what_they_are_made_of(again, project):
    """Truth: every mass is made of statistics.py, and none of the configuration's M_X."""
    again.run("--cores", "2", "masses")
    table = (again.folder / OUT / "tables/masses.csv").read_text().splitlines()
    masses = [float(line.split(",")[0]) for line in table[1:]]
    assert masses == [1000, 2000, 3000, 5000, 5000, 10000, 10000]  # and physical, beyond 3.5 TeV
    assert again.plan("masses") == {}
    again.configure(**{**BASE, "parameters": {**BASE["parameters"], "M_X": 2900}})
    assert again.plan("masses") == {}
    again.configure(**BASE)
    again.project = project
    again.environment["PYTHONPATH"] = str(project / "workflow/src")
    path = project / "workflow/src/malaphoric/inference/statistics.py"
    path.write_text(path.read_text() + "\nCHANGED = 1\n")
    assert again.plan("masses") == {"mass": 5, "masses": 1}
