"""Fit a range of the models of an atlas."""

from malaphoric.atlas import fitting, flavour
from malaphoric.data.likelihood import Likelihood
from malaphoric.scan import chunks
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s, given, (path,) = this.settings, snakemake.input, snakemake.output
    start, stop = chunks.range_of(path)
    models, _ = flavour.chosen(s["atlas"])
    data = Likelihood.load(given.likelihood, s["categories"])
    progress = chunks.Progress(stop - start, this.log, what="model")
    found = fitting.fitted(models.taken(slice(start, stop)), s["M_X"], data, progress)
    found.save(path)
    failed = [reason for reason in found.reason if reason]
    for reason in failed:
        this.log(reason)
    this.done(f"{len(found)} models, {len(failed)} without a fit")
