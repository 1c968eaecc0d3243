"""Overlay the regions of all masses and tabulate their best fits."""

import json
from pathlib import Path

from malaphoric import figures, tables
from malaphoric.jobs import job

with job(snakemake) as this:
    run, out = this.run, snakemake.output
    masses = snakemake.params.masses
    figures.masses(
        dict(zip(masses, snakemake.input.profiles, strict=True)),
        run.model.title,
        tuple(run["confidence_levels"]),
        out.pdf,
        out.png,
    )
    rows = []
    for mass, path in zip(masses, snakemake.input.best, strict=True):
        found = json.loads(Path(path).read_text())
        rows += tables.mass_rows(found, mass)
    foot = (
        "Best fits in the same box at every mass, |epsilon_hat| <= 1, compare the masses; where "
        "|epsilon| > 1 they are unphysical, and the best physical fit (|epsilon| <= 1) follows. "
        "M_Zprime [GeV], g_X_Zprime and g_Y_Zprime are of the physical Z'."
    )
    tables.write(rows, out.table, out.table_md, "Dependence on M_X [GeV]", foot)
    this.done(f"{out.table} and {out.pdf}")
