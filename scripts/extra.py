"""The theory of the observables that the configuration includes beyond smelli's."""

from malaphoric.data.categories import observable_key, observable_tuple
from malaphoric.data.theory import make_extra
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    observables = list(map(observable_tuple, this.settings["observables"]))
    make_extra(observables, this.log).save(snakemake.output[0])
    this.done(", ".join(map(observable_key, observables)))
