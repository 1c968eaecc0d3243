"""Write Tables 1 and 4 with the paper's numbers beside ours, and all pulls at the best fit."""

from malaphoric import store
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines.basis import parameters
from malaphoric.inference import statistics
from malaphoric.inference.results import Fits
from malaphoric.physics.model import Model
from malaphoric.report import tables
from malaphoric.scan import chunks
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s, out = this.settings, snakemake.output
    data = Likelihood.load(snakemake.input.likelihood, s["categories"])
    tables.table1(data.chi2_sm, data.n_obs, out.table1, out.table1_md)
    fits = Fits.read(snakemake.input.best_fit)
    best = chunks.read_points([snakemake.input.best], [s["theory"]], data)
    paper = None
    if snakemake.input.get("paper"):
        paper = chunks.read_points([snakemake.input.paper], [s["exact_theory"]], data)
    names = parameters(Model.of(s["model"]), s["M_X"])
    rows = tables.table4_rows(fits, best, paper, data, s["papers"], names, s["M_X"])
    notes = fits.notes_below("table4")
    if not s["papers_data"]:
        notes.append("The data of this run are not the paper's.")
    name, check = s["model"]["name"], s["check"]
    tables.table4(rows, out.table4, out.table4_md, name, s["M_X"], check, notes)
    pulls = statistics.pulls(statistics.best_prediction(best), data)
    pulls.sort(key=lambda row: -abs(row["pull_sm"] if row["pull"] == "" else row["pull"]))
    store.write_csv(out.pulls, pulls)
    this.done(
        f"{out.table1}, {out.table4}, and in {out.pulls} the {len(pulls)} of "
        f"{len(data.observables)} observables of which a measurement counts"
    )
