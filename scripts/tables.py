"""Write Tables 1 and 4 with the paper's numbers beside ours."""

import json
from pathlib import Path

from malaphoric import scan, tables
from malaphoric.comparison import is_the_papers
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood

with job(snakemake) as this:
    run, out = this.run, snakemake.output
    data = Likelihood.load(snakemake.input.likelihood, run.categories)
    tables.table1(data.chi2_sm, data.n_obs, out.table1, out.table1_md)
    fits = json.loads(Path(snakemake.input.best_fit).read_text())
    best = scan.read_points([snakemake.input.best], [run.theory(extra=True)], data)
    paper = scan.read_points(snakemake.input.table4, run.layers("exact"), data)
    comparable = is_the_papers(run.model.name, run["M_X"])
    rows = tables.table4_rows(fits, best, paper, data, comparable, run["M_X"])
    notes = list(fits["notes"])
    if not run.has_the_papers_data:
        notes.append("The data of this run are not the paper's.")
    tables.table4(rows, out.table4, out.table4_md, run.model.name, run["M_X"], notes)
    this.done(f"{out.table1} and {out.table4}")
