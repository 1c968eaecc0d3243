"""Boxes without a valid point, without a physical one, and of a single point, run to the end."""

import csv
import json

import pytest

from harness import COMPILED, Workflow

pytestmark = pytest.mark.slow

BOXES = {
    "empty": ((0.1, 0.5, 3), (0.3, 0.36, 3), (-0.5, -0.35, 3)),
    "beyond": ((1.1, 1.5, 3), (0.0, 0.2, 3), (-0.3, 0.1, 5)),
    "single": (-0.9, 0.08, -0.17),
}
SAID = {"empty": "No valid point: of 27 points", "beyond": "No point of the scan is physical"}


def run(folder, compiled, name):
    """Run a box with what another run knows of the same model; returns the output."""
    workflow = Workflow(folder)
    keys = ("min", "max", "points")
    axes = (dict(zip(keys, x, strict=True)) if isinstance(x, tuple) else x for x in BOXES[name])
    parameters = dict(zip(("epsilon_hat", "g_hat", "theta_sb"), axes, strict=True))
    workflow.configure(**{**COMPILED, "parameters": parameters, "validation": {"points": 0}})
    known = ("likelihood.h5", "running.h5")
    workflow.borrow(compiled, *(f"results/compiled/{file}" for file in known))
    return workflow.run("--cores", "2").stdout


@pytest.mark.parametrize("name", list(BOXES))
def test_ends_in_results(tmp_path, compiled, name):
    """One sentence in the job's line, best_fit.json and Table 4; figures where there is a plane."""
    output = run(tmp_path, compiled, name)
    folder = tmp_path / "results/compiled"
    fits = json.loads((folder / "best_fit.json").read_text())
    with open(folder / "tables/table4.csv") as file:
        rows = [row["fit"] for row in csv.DictReader(file)]
    assert "Traceback" not in output
    if name == "single":
        assert fits["malaphoric"]["parameters"] == 0
        assert fits["malaphoric"]["dof"] == 509
        assert "malaphoric: best fit" in rows
        return
    assert fits["malaphoric"] is None
    assert not any("best fit" in row for row in rows)
    (note,) = [note for note in fits["notes"] if SAID[name] in note]
    assert note in output
    assert note in (folder / "tables/table4.md").read_text()
    for figure in ("fig3_left", "fig3_right", "fig4", "profiles"):
        assert (folder / f"figures/{figure}.png").stat().st_size > 5000
