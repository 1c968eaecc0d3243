"""Evaluate a chunk of the grid, or a list of points that every run evaluates exactly."""

import json
from pathlib import Path

import numpy as np

from malaphoric import scan, statistics
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood

with job(snakemake) as this:
    run, params, given = this.run, snakemake.params, snakemake.input
    if part := params.get("range"):
        engine, points = run["engine"], run.grid.points(**part)
    elif fits := given.get("best_fit"):
        engine, points = "exact", statistics.best_points(json.loads(Path(fits).read_text()))
    else:
        engine, points = "exact", np.array(params.points)
    counts = scan.write_points(
        snakemake.output[0],
        points,
        scan.load_theory(
            run.model, engine, run["M_X"], run["smeft_accuracy"], running=given.get("running")
        ),
        Likelihood.load(given.likelihood, run.categories),
        run.theory(engine),
        keep_predictions=engine == "exact",
        out=this.log,
    )
    this.done(
        f"{counts['points']} points with the {engine} engine, {counts['ckm']} without CKM "
        f"elements, {counts['errors']} errors"
    )
