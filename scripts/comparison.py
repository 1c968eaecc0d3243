"""Write the pages that hold our numbers against the paper's, and against its closed formulas."""

import json
from pathlib import Path

from malaphoric import chunks, comparison, store, tables
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood
from malaphoric.model import Model
from malaphoric.theory import CKM

with job(snakemake) as this:
    s, given, out = this.settings, snakemake.input, snakemake.output
    model = Model.of(s["model"])
    data = Likelihood.load(given.likelihood, s["categories"])
    fits = json.loads(Path(given.best_fit).read_text())
    exact = None
    if given.get("paper"):
        exact = chunks.read_points([given.paper], [s["exact_theory"]], data)["predictions"]
    ours = chunks.read_points([given.best], [s["theory"]], data)
    rows = comparison.paper_rows(fits if s["papers"] else {}, data, exact)
    if not s["papers_data"]:
        rows = [{**row, "reason": "data" if row["reason"] else ""} for row in rows]
    foot = (
        f"Our best fits: {s['check']}. "
        "The paper gives no numbers behind its Figures 2-4: these can be compared by eye only. "
        "Reasons stand where the difference is outside the paper's rounding:\n\n"
        + "\n".join(f"* **{key}**: {text}" for key, text in comparison.REASONS.items())
    )
    title = "Comparison with arXiv:2409.06804"
    store.write_text(out.paper, tables.markdown(title, rows, foot))
    ckm = dict(zip(CKM, ours["ckm"][-1].tolist(), strict=True))
    point = tuple(ours["points"][-1].tolist())
    rows = comparison.analytic_rows(model, point, s["M_X"], ckm, ours["predictions"][-1], data)
    point = tuple(round(x, 4) for x in point)
    foot = f"At the best fit {point} of {model.name}, M_X = {s['M_X']:g} GeV; {s['check']}."
    title = "Closed formulas against the full computation"
    store.write_text(out.analytic, tables.markdown(title, rows, foot))
    this.done(f"{out.paper} and {out.analytic}")
