"""Merge the chunks of a run into one scan."""

from malaphoric import chunks, scan
from malaphoric.grid import Grid
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood
from malaphoric.model import Model

with job(snakemake) as this:
    s, given = this.settings, snakemake.input
    parts = chunks.pair(given.chunks)
    counts = scan.merge(
        snakemake.output[0],
        Grid.of(s["grid"]),
        parts,
        s["layers"],
        Likelihood.load(given.likelihood, s["categories"]),
        s["configuration"],
        list(s["profiled"]),
        Model.of(s["layers"][-1]["model"]).records,
    )
    this.done(
        f"{counts['points']} points of {len(parts)} chunks, {counts['ckm']} without CKM "
        f"elements, {counts['errors']} errors"
    )
