"""Compile the additional observables, and the running of the model's coefficients they need."""

from malaphoric import compiling
from malaphoric.compiled import Table
from malaphoric.jobs import job

with job(snakemake) as this:
    run, out = this.run, snakemake.output
    compiling.compile_extra(run.selection.extra, out.table, this.log)
    table = Table.load(out.table)
    running = compiling.run(run.model, run["M_X"], run["smeft_accuracy"], table, this.log)
    running.save(out.running)
    this.done(f"{len(table.observables)} observables")
