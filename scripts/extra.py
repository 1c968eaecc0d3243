"""Standard Model of the observables that the configuration includes beyond smelli's."""

from malaphoric.categories import observable_key, observable_tuple
from malaphoric.jobs import job
from malaphoric.measurements import make_extra

with job(snakemake) as this:
    observables = list(map(observable_tuple, this.settings["observables"]))
    make_extra(observables, this.settings["seed"]).save(snakemake.output[0])
    this.done(", ".join(map(observable_key, observables)))
