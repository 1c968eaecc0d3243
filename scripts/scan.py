"""Merge the chunks of a run into one scan."""

from malaphoric.data.likelihood import Likelihood
from malaphoric.physics.model import Model
from malaphoric.scan import chunks, merging
from malaphoric.scan.grid import Grid
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s, given = this.settings, snakemake.input
    parts = chunks.pair(given.chunks)
    counts = merging.merge(
        snakemake.output[0],
        Grid.of(s["grid"]),
        parts,
        s["layers"],
        Likelihood.load(given.likelihood, s["categories"]),
        s["configuration"],
        list(s["profiled"]),
        Model.of(s["layers"][-1]["model"]).records,
    )
    this.done(f"{counts['points']} points of {len(parts)} chunks, {counts['errors']} errors")
