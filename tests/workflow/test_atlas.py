"""An atlas of models: from nothing to figures, in any chunks, and again after a loss."""

import csv
import re

import pytest
import yaml

from harness import ROOT, Workflow

ATLAS = {"run": "atlas", "atlas": {"N": 1}}


def configured(folder, **changes):
    """A folder with the configuration of a small atlas."""
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({**ATLAS, **changes}))
    return Workflow(folder)


@pytest.mark.slow
def test_in_any_chunks_and_again(tmp_path):
    """Truth: the same bytes; a chunk that is lost is made again, a damaged one refused."""
    ours = configured(tmp_path / "ours", chunk_minutes=0.001)
    other = configured(tmp_path / "other")
    assert ours.plan("atlas")["atlas_chunk"] == 2
    for workflow, cores in ((ours, "2"), (other, "1")):
        workflow.run("--cores", cores, "atlas")
        assert workflow.plan("atlas") == {}
    found, expected = ours.files("atlas"), other.files("atlas")
    names = {"likelihood.h5", "ranking.csv", "ranking.h5"}
    names |= {f"figures/atlas_{x}.{kind}" for x in ("c9", "dchi2") for kind in ("pdf", "png")}
    assert set(found) == names
    assert found == expected
    rows = list(csv.DictReader(found["ranking.csv"].decode().splitlines()))
    assert [row["rank"] for row in rows] == ["1", "2"]
    assert [float(row["mixed_dchi2_global"]) for row in rows] == pytest.approx(
        [37.1, 35.3], abs=0.2
    )

    first, second = sorted((ours.folder / "results/atlas/chunks").glob("*.h5"))
    ranking = ours.folder / "results/atlas/ranking.h5"
    for path in (first, ranking):
        path.unlink()
    assert ours.plan("atlas")["atlas_chunk"] == 1
    ours.run("--cores", "1", "atlas")
    assert ours.files("atlas") == expected
    second.write_bytes(second.read_bytes()[:-9])
    ranking.unlink()
    said = ours.run("--cores", "1", "atlas", check=False).stdout
    assert f"{second.relative_to(ours.folder)}: damaged or changed" in said


def test_refused_before_any_job(tmp_path):
    """Truth: there is no such model; and a scan has no atlas."""
    workflow = configured(tmp_path, atlas={"N": 1, "right_handed_neutrinos": False})
    said = workflow.run("--cores", "1", "atlas", check=False)
    assert said.returncode != 0
    assert "accepted: what leaves a model" in said.stdout
    assert "Traceback" not in said.stdout
    assert not (tmp_path / "results").exists()
    assert "accepted: what leaves a model" in workflow.check(tmp_path / "config.yaml").stderr


def test_dry_run_on_a_cluster(tmp_path):
    """Chunks of an hour, with memory and time, as those of a scan; any target, or none."""
    workflow = configured(tmp_path, atlas={"N": 3})
    profile = str(ROOT / "profiles/slurm")
    text = workflow.run("--dry-run", "--workflow-profile", profile).stdout
    (chunk,) = re.findall(r"^rule atlas_chunk:\n((?:    .*\n)+)", text, re.M)
    assert "mem_mb=2000" in chunk
    assert 15 < int(re.search(r"runtime=(\d+)", chunk)[1]) < 60
    assert {"likelihood": 1, "atlas_chunk": 3}.items() <= workflow.plan("atlas").items()
