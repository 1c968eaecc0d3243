"""Export a run as one archive."""

from malaphoric import archive
from malaphoric.jobs import job

with job(snakemake) as this:
    archive.export(this.run, list(snakemake.input), snakemake.output[0])
    this.done(f"{snakemake.output[0]}: unpack it and say `make check`")
