"""Assemble the table of the compiled engine from its parts; collect the measurements."""

from pathlib import Path

from malaphoric.data.measurements import make_measurements
from malaphoric.engines import compiling
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    parts = {Path(path).stem: compiling.load_part(path) for path in snakemake.input}
    compiling.assemble(parts, snakemake.output.table)
    compiling.write_names(snakemake.output.names)
    make_measurements().save(snakemake.output.measurements)
    this.done(snakemake.output.table)
