"""Draw the pulls of the observables of interest."""

import json
from pathlib import Path

from malaphoric import chunks, figures, notes, statistics
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood

with job(snakemake) as this:
    s, given = this.settings, snakemake.input
    data = Likelihood.load(given.likelihood, s["categories"])
    best = chunks.read_points([given.best], [s["theory"]], data)
    table = {
        row["observable"]: row for row in statistics.pulls(statistics.best_prediction(best), data)
    }
    for key in s["observables"]:
        if key not in table:
            this.log(f"{key}: not measured in the selected categories, left out")
    rows = [table[key] for key in s["observables"] if key in table]
    said = notes.without_unmixed_region(json.loads(Path(given.best_fit).read_text())["notes"])
    figures.pulls(rows, s["title"], s["M_X"], *snakemake.output, said)
    this.done(f"{len(rows)} observables in {snakemake.output[0]} and .png")
