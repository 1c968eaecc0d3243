"""Standard Model of the observables that the configuration includes beyond smelli's."""

from malaphoric.jobs import job
from malaphoric.measurements import make_extra

with job(snakemake) as this:
    extra = make_extra(this.run.selection.extra, this.run["covariance"]["seed"])
    extra.save(snakemake.output[0])
    this.done(", ".join(snakemake.params.observables))
