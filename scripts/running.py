"""Run the model's coefficients from M_X to where the compiled table reads them."""

from malaphoric import compiling
from malaphoric.jobs import job

with job(snakemake) as this:
    run = this.run
    running = compiling.run(run.model, run["M_X"], run["smeft_accuracy"], progress=this.log)
    running.save(snakemake.output[0])
    this.done(f"{len(running.values)} ports")
