"""Export a run as one archive."""

from malaphoric import archive
from malaphoric.jobs import job

with job(snakemake) as this:
    given, (path,) = snakemake.input, snakemake.output
    archive.export(this.settings, [*given.results, given.record], path)
    this.done(f"{path}: unpack it and say `make check`")
