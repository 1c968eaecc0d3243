"""Write all observables at the best fit of the malaphoric model, the largest pulls first."""

from malaphoric import scan, statistics, store
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood

with job(snakemake) as this:
    run, given = this.run, snakemake.input
    data = Likelihood.load(given.likelihood, run.categories)
    best = scan.read_points([given.best], [run.theory(extra=True)], data)
    # without a best fit the Standard Model stands in both columns
    predictions = best["predictions"][-1] if len(best["points"]) else data.sm
    rows = statistics.pulls(predictions, data)
    rows.sort(key=lambda row: -abs(row["pull"]))
    store.write_csv(snakemake.output[0], rows)
    this.done(f"{len(rows)} observables")
