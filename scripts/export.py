"""Export a run as one archive."""

from malaphoric.workflow import archive
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    given, (path,) = snakemake.input, snakemake.output
    archive.export(this.settings, [*given.results, given.record], path)
    this.done(f"{path}: unpack it and say `make check`")
