"""Write the pages that hold our numbers against the paper's, and against its closed formulas."""

from malaphoric import store
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines.protocol import CKM
from malaphoric.inference.results import Fits
from malaphoric.physics.model import Model
from malaphoric.report import comparison, tables
from malaphoric.scan import chunks
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s, given, out = this.settings, snakemake.input, snakemake.output
    model = Model.of(s["model"])
    data = Likelihood.load(given.likelihood, s["categories"])
    fits = Fits.read(given.best_fit)
    exact = None
    if given.get("paper"):
        exact = chunks.read_points([given.paper], [s["exact_theory"]], data)["predictions"]
    ours = chunks.read_points([given.best], [s["theory"]], data)
    unlike = comparison.unlike(
        model, s["M_X"], s["smeft_accuracy"], s["categories"], s["papers_data"], fits, s["grid"]
    )
    rows = comparison.paper_rows(fits, data, exact, unlike)
    store.write_text(out.paper, comparison.page(rows, unlike, s["check"]))
    rows, foot = [{"quantity": ""}], "There is no best fit to compare at."
    if len(ours["points"]):
        ckm = dict(zip(CKM, ours["ckm"][-1].tolist(), strict=True))
        point = tuple(ours["points"][-1].tolist())
        rows = comparison.analytic_rows(model, point, s["M_X"], ckm, ours["predictions"][-1], data)
        point = tuple(round(x, 4) for x in point)
        foot = f"At the best fit {point} of {model.name}, M_X = {s['M_X']:g} GeV; {s['check']}."
    title = "Closed formulas against the full computation"
    store.write_text(out.analytic, tables.markdown(title, rows, foot))
    this.done(f"{out.paper} and {out.analytic}")
