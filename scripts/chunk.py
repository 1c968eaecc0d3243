"""Evaluate a chunk of the grid."""

from malaphoric import chunks, engines
from malaphoric.grid import Grid
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood

with job(snakemake) as this:
    s, given, (path,) = this.settings, snakemake.input, snakemake.output
    exact = s["engine"] == "exact"
    theory = engines.exact_theory(s) if exact else engines.compiled_theory(s, given)
    counts = chunks.write_points(
        path,
        Grid.from_dict(s["grid"]).points(*chunks.range_of(path)),
        theory,
        Likelihood.load(given.likelihood),
        s["layer"],
        keep_predictions=exact,
        out=this.log,
        earlier=chunks.others(path),
    )
    this.done(chunks.said(counts, s["engine"]))
