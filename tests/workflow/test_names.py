"""Names that a user chooses never meet names that the project chooses."""

import re

import pytest

from harness import ROOT
from malaphoric.data.overlays import Selection
from malaphoric.schema import ConfigurationError, validate


@pytest.mark.parametrize("name", ["compile", "slurm", "results"])
def test_run_of_any_name(workflow, name):
    """Truth: the same plan as under another name; `results/compile` was a rule's as well."""
    expected = workflow.plan()
    workflow.configure(run=name)
    assert workflow.plan() == expected


def test_folders_beside_runs_begin_with_a_dot():
    """What profiles and rules write into results and is no run's cannot be a run's."""
    files = [*ROOT.glob("profiles/*/config.yaml"), *ROOT.glob("workflow/rules/*.smk")]
    names = {name for f in files for name in re.findall(r"results/([^</{\s\"]+)", f.read_text())}
    assert names == {".compile", ".exact", ".slurm", ".pbs", ".htcondor"}
    for name in [*names, "b3-l2.tar.gz"]:
        with pytest.raises(ConfigurationError, match="run: "):
            validate({"run": name}, "config", "test", partial=True)


def test_overlay_with_braces_starts_no_job(workflow):
    """Snakemake takes braces for a wildcard: refused in a sentence, in a new and an old run."""
    path = workflow.folder / "a{b}c.yml"
    path.write_text("new: {values: {m_W: 80.4 ± 0.1}}", encoding="utf-8")
    workflow.configure(data={"overlays": [str(path)]})
    said = workflow.run("--dry-run", check=False)
    assert said.returncode != 0
    assert "a{b}c.yml" in said.stdout
    assert "braces" in said.stdout
    assert "Traceback" not in said.stdout


def test_umlauts_and_spaces_in_an_overlay(workflow):
    """They are an input like any other."""
    (workflow.folder / "für alle").mkdir()
    path = workflow.folder / "für alle" / "März 27.yml"
    path.write_text("new: {values: {m_W: 80.4 ± 0.1}}", encoding="utf-8")
    workflow.configure(data={"overlays": [str(path)]})
    assert workflow.plan()["likelihood"] == 1
    assert Selection({"overlays": [str(path)]}, "test").overlays == [path]
