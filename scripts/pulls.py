"""Write all observables at the best fit of the malaphoric model, the largest pulls first."""

from malaphoric import scan, statistics, store
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood

with job(snakemake) as this:
    data = Likelihood.load(snakemake.input.likelihood, this.run.categories)
    exact = scan.read_points(snakemake.input.exact, this.run.theory("exact"), data)
    rows = statistics.pulls(exact["predictions"][-1], data)
    rows.sort(key=lambda row: -abs(row["pull"]))
    store.write_csv(snakemake.output[0], rows)
    this.done(f"{len(rows)} observables")
