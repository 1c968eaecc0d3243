"""Write the pages that hold our numbers against the paper's, and against its closed formulas."""

import json
from pathlib import Path

from malaphoric import comparison, scan, store, tables
from malaphoric.exact import CKM
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood

with job(snakemake) as this:
    run, given, out = this.run, snakemake.input, snakemake.output
    data = Likelihood.load(given.likelihood, run.categories)
    fits = json.loads(Path(given.best_fit).read_text())
    paper = scan.read_points(given.table4, run.layers("exact"), data)
    ours = scan.read_points([given.best], [run.theory(extra=True)], data)
    if not comparison.is_the_papers(run.model.name, run["M_X"]):
        fits = {}
    rows = comparison.paper_rows(fits, data, paper["predictions"])
    if not run.has_the_papers_data:
        rows = [{**row, "reason": "data" if row["reason"] else ""} for row in rows]
    foot = (
        "The paper gives no numbers behind its Figures 2-4: these can be compared by eye only. "
        "Reasons stand where the difference is outside the paper's rounding:\n\n"
        + "\n".join(f"* **{key}**: {text}" for key, text in comparison.REASONS.items())
    )
    title = "Comparison with arXiv:2409.06804"
    store.write_text(out.paper, tables.markdown(title, rows, foot))
    rows, foot = [{"quantity": ""}], "There is no best fit to compare at."
    for point, elements, predictions in zip(
        ours["points"][-1:], ours["ckm"][-1:], ours["predictions"][-1:], strict=True
    ):
        ckm = dict(zip(CKM, elements.tolist(), strict=True))
        rows = comparison.analytic_rows(
            run.model, tuple(point.tolist()), run["M_X"], ckm, predictions, data
        )
        point = tuple(round(x, 4) for x in point.tolist())
        foot = f"At the best fit {point} of {run.model.name}, M_X = {run['M_X']} GeV."
    title = "Closed formulas against the full computation"
    store.write_text(out.analytic, tables.markdown(title, rows, foot))
    this.done(f"{out.paper} and {out.analytic}")
