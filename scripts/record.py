"""Write what the results of a run were made from, with their digests."""

from pathlib import Path

from malaphoric import store
from malaphoric.workflow import archive
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    given = snakemake.input
    gone = archive.tidy(Path(snakemake.output[0]).parent, given.results, this.settings)
    for path in gone:
        this.log(f"{path}: removed, this configuration does not make it")
    record = archive.record(this.settings, given.likelihood, list(given.results))
    store.write_json(snakemake.output[0], {**record, "recipe": this.recipe})
    this.done(f"{len(record['files'])} files")
