"""Draw a part of the parameters, and predict smelli's and the additional observables for them."""

from malaphoric.data import theory
from malaphoric.data.categories import observable_tuple
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    extra = list(map(observable_tuple, this.settings["observables"]))
    part = int(snakemake.wildcards.draws)
    theory.make_part(extra, part, this.log).save(snakemake.output[0])
    this.done("drawn")
