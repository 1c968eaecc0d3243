"""Overlay the regions of all masses and tabulate their best fits."""

import json
from pathlib import Path

from malaphoric import store
from malaphoric.inference.results import Fit
from malaphoric.physics.model import Model
from malaphoric.report import figures, notes, plotted, tables
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s, given, out = this.settings, snakemake.input, snakemake.output
    masses = s["masses"]
    profiles = {mass: given[f"profile_{mass}"] for mass in masses}
    said = ["Not checked against exact points at these masses.", *notes.of_data(s["data"])]
    model, rows = Model.of(s["model"]), []
    page = figures.Page(s["title"], None, tuple(s["levels"]), about=model.records, fixed=s["fixed"])
    figures.masses(profiles, page, out.pdf, out.png, said, this.recipe)
    store.write_csv(out.csv, plotted.masses(profiles))
    for mass in masses:
        found = json.loads(Path(given[f"mass_{mass}"]).read_text())
        fits = {x: Fit.from_dict(found[x]) for x in ("hatted", "physical") if found[x]}
        rows += tables.mass_rows(fits, model.parameters, mass)
    foot = (
        "Best fits in the same box at every mass, |epsilon_hat| <= 1, compare the masses; where "
        "|epsilon| > 1 they are unphysical, and the best physical fit (|epsilon| <= 1) follows. "
        "M_Zprime [GeV], g_X_Zprime and g_Y_Zprime are of the physical Z'. "
    )
    tables.write(rows, out.table, out.table_md, "Dependence on M_X [GeV]", foot + " ".join(said))
    this.done(f"{out.table} and {out.pdf}")
