"""The notebooks of the documentation: stored tidily, and executed with a small run and chain."""

import json
import re

import nbformat
import pytest
from nbclient import NotebookClient

from harness import ROOT

FOLDER = ROOT / "docs/notebooks"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_stored_without_outputs(path):
    """Truth: nothing but text and code, in cells named by their order."""
    notebook = nbformat.read(path, nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.language_info == {"name": "python"}
    assert len(notebook.cells) <= 13
    for number, cell in enumerate(notebook.cells, 1):
        assert (cell.id, cell.metadata) == (f"cell-{number}", {})
        assert cell.get("execution_count") is None
        assert not cell.get("outputs")


def executed(name, before, after):
    """What a notebook prints, and the number of its figures; one piece of its code is another."""
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", nbformat.NO_CONVERT)
    assert sum(before in cell.source for cell in notebook.cells) == 1
    for cell in notebook.cells:
        cell.source = cell.source.replace(before, after)
    resources = {"metadata": {"path": str(FOLDER)}}
    NotebookClient(notebook, timeout=600, resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    printed = {"stdout": "", "stderr": ""}
    for output in outputs:
        if output.output_type == "stream":
            printed[output.name] += output.text
    assert printed["stderr"] == ""
    return printed["stdout"], sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.slow
def test_open_a_run(compiled):
    """Truth: best_fit.json."""
    run = compiled.folder / "results/compiled"
    said, drawn = executed("open_a_run", 'ROOT / "results/b3-l2"', f"Path({str(run)!r})")
    fit = json.loads((run / "best_fit.json").read_text())["malaphoric"]
    assert f"malaphoric: chi2 = {fit['chi2']['global']:.2f}" in said
    assert f"g_hat = {fit['g_hat']:.3f} ± {fit['errors']['g_hat']:.3f}" in said
    assert drawn == 3


@pytest.mark.slow
def test_without_snakemake():
    """Truth: the package's own fit, and acceptances that samplers have."""
    said, drawn = executed("without_snakemake", "STEPS = 4000", "STEPS = 60")
    ours, own = map(float, re.search(r"chi2 = ([\d.]+), own fit ([\d.]+)", said).groups())
    assert ours == pytest.approx(own, abs=2e-3)
    assert 0.2 < float(re.search(r"acceptance: ([\d.]+)", said).group(1)) < 0.9
    assert drawn == 1
