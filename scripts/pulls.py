"""Write all observables at the best fit of the malaphoric model, the largest pulls first."""

from malaphoric import chunks, statistics, store
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood

with job(snakemake) as this:
    s, given = this.settings, snakemake.input
    data = Likelihood.load(given.likelihood, s["categories"])
    best = chunks.read_points([given.best], [s["theory"]], data)
    rows = statistics.pulls(statistics.best_prediction(best), data)
    rows.sort(key=lambda row: -abs(row["pull_sm"] if row["pull"] == "" else row["pull"]))
    store.write_csv(snakemake.output[0], rows)
    this.done(f"{len(rows)} observables")
