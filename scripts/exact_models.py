"""Evaluate the best fit of one of the best models of an atlas exactly, unless it is kept."""

from functools import partial

from malaphoric.atlas import ranking
from malaphoric.atlas.fitting import Fitted
from malaphoric.engines.exact import ExactEngine
from malaphoric.scan import chunks
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s, found = this.settings, Fitted.load(snakemake.input.ranking)
    model, points = ranking.best_fit(found, int(snakemake.wildcards.number))
    layer = {**s["theory"], "model": model.as_dict()}
    layers = [(layer, partial(ExactEngine, model, s["M_X"]))]
    counts = chunks.write_kept(snakemake.output[0], points, layers, snakemake.params.kept, this.log)
    this.done(chunks.said(counts, "exact"))
