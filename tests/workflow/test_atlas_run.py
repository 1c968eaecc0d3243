"""An atlas of models: from nothing to figures and record, and again after a loss."""

import csv
import json
import re
import subprocess
import sys

import pytest
import yaml

from browser import check_looks, opened
from harness import ROOT, Workflow
from malaphoric import store
from malaphoric.atlas import ranking
from malaphoric.atlas.fitting import Fitted
from malaphoric.engines.loading import load_engine
from malaphoric.scan import chunks
from malaphoric.workflow.configuration import configured as configured_run

ATLAS = {"run": "atlas", "atlas": {"N": 1}}

# two chunks of a model, one exact point
QUICK = {"chunk_minutes": 0.001, "validation": {"models": 1}, "toys": {"number": 2}}


def configured(folder, **changes):
    """A folder with the configuration of a small atlas."""
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({**ATLAS, **changes}))
    return Workflow(folder)


def keep_exact(folder, errors):
    """Pretend that smelli was asked about the best fit: the compiled engine's, with errors."""
    run = configured_run(yaml.safe_load((folder / "config.yaml").read_text()), "config.yaml")
    model, points = ranking.best_fit(Fitted.load(folder / "results/atlas/ranking.h5"), 1)
    theory = {**run.theory("exact"), "model": model.as_dict()}
    engine = load_engine(model, "compiled", run.mass)
    found = engine.evaluate(points)
    found.predictions *= 1 + errors
    kept = chunks.kept_in(folder / "results/.exact", theory)
    path = kept / f"{store.digest(points[0])[:16]}.h5"
    chunks.save_points(path, points, found, engine.observables, None, theory)


def numbers(page, table, key):
    """All digits of a column, as its rows stand."""
    column = page.locator(f"#table-{table} th[data-key={key}]").evaluate("x => x.cellIndex")
    cells = page.locator(f"#table-{table} tbody td:nth-child({column + 1}) data").all()
    return [float(cell.get_attribute("value")) for cell in cells]


def check_page(path, found):
    """The page in a browser. Truth: the ranking."""
    with opened(path, "#map .main-svg") as page:
        table = page.locator("#table-ranking")
        for fit, name in (("mixed", "ranking"), ("unmixed", "unmixed-fits")):
            own = found.columns[f"{fit}/dchi2"][:, -1].tolist()
            assert numbers(page, name, "dchi2") == own
        g_hat = found.columns["mixed/values"][:, 1].tolist()
        assert numbers(page, "ranking", "g_hat") == g_hat
        page.locator("#table-ranking th[data-key=dchi2] button").click()
        assert numbers(page, "ranking", "g_hat") == g_hat[::-1]

        def drawn():
            return page.evaluate("document.getElementById('map').data[0].x")

        places = found.columns["mixed/coefficients"][:, 0].tolist()
        assert sorted(drawn()) == sorted(places)
        charges = " ".join(map(str, found.models.of("d")[1]))
        assert charges not in [" ".join(map(str, x)) for x in found.models.charges[0]]
        table.get_by_role("searchbox").fill(f'"{charges}"')
        assert table.locator("output").inner_text() == "1 of 2 rows"
        assert table.locator("tbody tr:visible td").first.inner_text() == "2"
        assert drawn() == places[1:]
        table.get_by_role("searchbox").fill("")
        table.get_by_label("at no limit").check()
        free = (found.columns["mixed/at_limit"] == 0).all(axis=1)
        assert sorted(drawn()) == sorted(x for x, yes in zip(places, free, strict=True) if yes)
        page.locator("#map-controls").get_by_label("unmixed").check()
        assert sorted(drawn()) == sorted(found.columns["unmixed/coefficients"][:, 0].tolist())
        check_looks(page)


@pytest.mark.slow
def test_whole_and_again(tmp_path):
    """Truth: what is found, refused and said; the same bytes after a chunk is lost."""
    ours = configured(tmp_path, **QUICK)
    assert ours.plan()["atlas_chunk"] == 2
    ours.run("--cores", "2", "atlas", "--until", "toys")
    keep_exact(tmp_path, errors=0.01)
    said = ours.run("--cores", "1", "atlas", check=False).stdout
    assert "not good enough for this atlas" in said
    assert "number 1: (" in said
    assert "EWPOs is off by" in said
    (tmp_path / "results/atlas/exact/1.h5").unlink()
    keep_exact(tmp_path, errors=1e-9)
    said = ours.run("--cores", "2", "atlas").stdout
    page = tmp_path / "results/atlas/index.html"
    assert f"to look at: {page.as_uri()}" in said
    assert "2 models, 0 without a fit, by the compiled engine" in said
    assert ours.plan("atlas") == {} == ours.plan()

    found = ours.files("atlas")
    names = {"ranking.csv", "ranking.h5", "toys.json", "validation/models.csv"}
    names |= {f"figures/atlas_{x}.{kind}" for x in ("c9", "dchi2") for kind in ("pdf", "png")}
    assert set(found) == names | {"likelihood.h5", "record.json", "index.html"}
    assert len(found["index.html"]) < 10e6
    check_page(page, Fitted.load(tmp_path / "results/atlas/ranking.h5"))
    rows = list(csv.DictReader(found["ranking.csv"].decode().splitlines()))
    assert [row["rank"] for row in rows] == ["1", "2"]
    dchi2 = [float(row["mixed_dchi2_global"]) for row in rows]
    assert dchi2 == pytest.approx([37.1, 35.3], abs=0.2)
    (exact,) = csv.DictReader(found["validation/models.csv"].decode().splitlines())
    assert float(exact["exact_dchi2_global"]) == pytest.approx(dchi2[0], abs=0.001)
    assert 0 < float(exact["error_quarks"]) < 1e-3
    toys = json.loads(found["toys.json"])
    assert (len(toys["best"]), toys["models"]) == (2, 2)
    assert toys["observed"] == pytest.approx(dchi2[0], abs=1e-9)
    record = json.loads(found["record.json"])
    assert set(record["files"]) == {f"results/atlas/{name}" for name in names}

    configured(tmp_path, **QUICK, M_X=2900)
    command = [sys.executable, str(ROOT / "scripts/why.py"), "config.yaml"]
    about = {"cwd": tmp_path, "capture_output": True, "text": True, "check": True}
    said = subprocess.run(command, **about).stdout
    assert "M_X was 3000, is 2900" in said
    assert "atlas_chunk (2 jobs): M_X was 3000.0, is 2900.0" in said

    configured(tmp_path, **QUICK)
    first, second = sorted((tmp_path / "results/atlas/chunks").glob("*.h5"))
    ranked = tmp_path / "results/atlas/ranking.h5"
    for path in (first, ranked):
        path.unlink()
    assert ours.plan("atlas")["atlas_chunk"] == 1
    ours.run("--cores", "1", "atlas", "--until", "ranking")
    assert ours.files("atlas") == found
    second.write_bytes(second.read_bytes()[:-9])
    ranked.unlink()
    said = ours.run("--cores", "1", "atlas", check=False).stdout
    assert f"{second.relative_to(tmp_path)}: damaged or changed" in said


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
    workflow = configured(tmp_path, atlas={"N": 4})
    profile = str(ROOT / "profiles/slurm")
    text = workflow.run("--dry-run", "--workflow-profile", profile).stdout
    (chunk,) = re.findall(r"^rule atlas_chunk:\n((?:    .*\n)+)", text, re.M)
    assert "mem_mb=2000" in chunk
    assert 15 < int(re.search(r"runtime=(\d+)", chunk)[1]) < 60
    assert {"likelihood": 1, "atlas_chunk": 3}.items() <= workflow.plan("atlas").items()
