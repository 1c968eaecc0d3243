"""Evaluate a list of points exactly: they check the compiled engine, and Table 4 shows some."""

import json
from pathlib import Path

import numpy as np

from malaphoric import chunks, engines, statistics
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood

with job(snakemake) as this:
    s, given = this.settings, snakemake.input
    if fits := given.get("best_fit"):
        points = statistics.best_points(json.loads(Path(fits).read_text()))
    else:
        points = np.array(snakemake.params.points)
    counts = chunks.write_points(
        snakemake.output[0],
        points,
        engines.exact_theory(s),
        Likelihood.load(given.likelihood),
        s["layer"],
        keep_predictions=True,
        out=this.log,
    )
    this.done(chunks.said(counts, "exact"))
