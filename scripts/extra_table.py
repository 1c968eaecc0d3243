"""Compile the additional observables."""

from malaphoric.data.categories import observable_tuple
from malaphoric.engines import compiling
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    observables = list(map(observable_tuple, this.settings["observables"]))
    compiling.compile_extra(observables, snakemake.output[0], this.log)
    this.done(f"{len(observables)} observables")
