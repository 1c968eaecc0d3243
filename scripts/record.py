"""Write what the results of a run were made from, with their digests."""

import shutil
from pathlib import Path

from malaphoric import archive, store
from malaphoric.jobs import job

with job(snakemake) as this:
    given = snakemake.input
    if not any("/validation/" in path for path in given.results):  # an earlier configuration's
        shutil.rmtree(Path(snakemake.output[0]).parent / "validation", ignore_errors=True)
    record = archive.record(this.settings, given.likelihood, list(given.results))
    store.write_json(snakemake.output[0], {**record, "recipe": this.recipe})
    this.done(f"{len(record['files'])} files")
