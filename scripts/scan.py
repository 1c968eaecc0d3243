"""Merge the chunks of a run into one scan."""

from malaphoric import scan
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood

with job(snakemake) as this:
    run = this.run
    counts = scan.merge(
        snakemake.output[0],
        run.grid,
        run.pair(snakemake.input.chunks),
        run.layers(),
        Likelihood.load(snakemake.input.likelihood, run.categories),
        run.record,
    )
    this.done(
        f"{counts['points']} points of {len(run.chunks)} chunks, {counts['ckm']} without CKM "
        f"elements, {counts['errors']} errors"
    )
