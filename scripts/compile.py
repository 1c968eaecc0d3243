"""Assemble the table of the compiled engine from its parts."""

from pathlib import Path

from malaphoric import compiling
from malaphoric.jobs import job

with job(snakemake) as this:
    parts = {Path(path).stem: compiling.load_part(path) for path in snakemake.input}
    compiling.assemble(parts, snakemake.output.table)
    compiling.write_names(snakemake.output.names)
    this.done(snakemake.output.table)
