"""Merge the chunks of a run into one scan."""

from malaphoric import scan
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood

with job(snakemake) as this:
    run = this.run
    chunks = [
        (path, part["start"], part["stop"])
        for path, part in zip(snakemake.input.chunks, run.chunks.values(), strict=True)
    ]
    counts = scan.merge(
        snakemake.output[0],
        run.grid,
        chunks,
        run.theory(),
        Likelihood.load(snakemake.input.likelihood, run.categories),
        run.record,
    )
    this.done(
        f"{counts['points']} points of {len(chunks)} chunks, {counts['ckm']} without CKM "
        f"elements, {counts['errors']} errors"
    )
