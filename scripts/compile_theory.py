"""Put the draws of the theory together: smelli's observables, and those that ship beside them."""

from malaphoric.data import theory
from malaphoric.data.categories import observable_tuple
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    extra = list(map(observable_tuple, this.settings["observables"]))
    draws = theory.join([theory.Draws.load(path) for path in snakemake.input])
    ours, theirs = draws.split(extra)
    ours.save(snakemake.output.theory)
    theirs.save(snakemake.output.extra)
    this.done(f"{len(draws.values)} draws")
