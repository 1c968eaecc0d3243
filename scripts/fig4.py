"""Draw the pulls of the observables of interest."""

import csv
from pathlib import Path

from malaphoric import figures
from malaphoric.categories import observable_key
from malaphoric.jobs import job

with job(snakemake) as this:
    with Path(snakemake.input.pulls).open(encoding="utf-8") as file:
        table = {row["observable"]: row for row in csv.DictReader(file)}
    rows = []
    for key in map(observable_key, this.run["observables_of_interest"]):
        if key not in table:
            this.log(f"{key}: not measured in the selected categories, left out")
            continue
        row = table[key]
        rows.append({**row, "pull": float(row["pull"]), "pull_sm": float(row["pull_sm"])})
    figures.pulls(rows, this.run.model.title, this.run["M_X"], *snakemake.output)
    this.done(f"{len(rows)} observables in {snakemake.output[0]} and .png")
