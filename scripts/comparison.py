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
    unlike = comparison.unlike(
        run.model.as_dict(),
        run["M_X"],
        run["smeft_accuracy"],
        run.categories,
        run.has_the_papers_data,
    )
    rows = comparison.paper_rows(fits, data, paper["predictions"], unlike)
    store.write_text(out.paper, comparison.page(rows, unlike))
    ckm = dict(zip(CKM, ours["ckm"][-1].tolist(), strict=True))
    point = tuple(ours["points"][-1].tolist())
    rows = comparison.analytic_rows(
        run.model, point, run["M_X"], ckm, ours["predictions"][-1], data
    )
    point = tuple(round(x, 4) for x in point)
    foot = f"At the best fit {point} of {run.model.name}, M_X = {run['M_X']} GeV."
    title = "Closed formulas against the full computation"
    store.write_text(out.analytic, tables.markdown(title, rows, foot))
    this.done(f"{out.paper} and {out.analytic}")
