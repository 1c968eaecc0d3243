"""Compile one part of the table of the compiled engine."""

from malaphoric.engines import compiling
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    part = snakemake.wildcards.part
    compiling.save_part(part, compiling.compile_part(part, this.log), snakemake.output[0])
    this.done("compiled")
