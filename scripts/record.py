"""Write what the results of a run were made from, with their digests."""

from malaphoric import archive, store
from malaphoric.jobs import job

with job(snakemake) as this:
    given = snakemake.input
    record = archive.record(this.settings, given.likelihood, list(given.results))
    store.write_json(snakemake.output[0], {**record, "recipe": this.recipe})
    this.done(f"{len(record['files'])} files")
