"""Evaluate a chunk of the grid, or a list of points that every compiled run evaluates exactly."""

import json
from pathlib import Path

from malaphoric import scan, statistics
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood

import numpy as np

with job(snakemake) as this:
    run, params, given = this.run, snakemake.params, snakemake.input
    engine, earlier = "exact", []
    if part := params.get("range"):
        engine, points = run["engine"], run.grid.points(*part)
        # chunks of other grids may hold some of the points, those of this one do not
        own = {name for chunk in run.chunks for name in chunk["names"]}
        folder = Path(snakemake.output[0]).parent
        earlier = [path for path in sorted(folder.glob("*.h5")) if path.stem not in own]
    elif fits := given.get("best_fit"):
        points = statistics.best_points(json.loads(Path(fits).read_text()))
    else:
        points = np.array(params.points)
    if engine == "compiled":
        theory = this.compiled_theory(given)
    else:
        additional = run.selection.extra if params.layer else None
        theory = scan.load_theory(
            run.model, engine, run["M_X"], run["smeft_accuracy"], additional=additional
        )
    counts = scan.write_points(
        snakemake.output[0],
        points,
        theory,
        Likelihood.load(given.likelihood, run.categories),
        run.layers(engine)[params.layer],
        keep_predictions=engine == "exact",
        out=this.log,
        earlier=earlier,
    )
    found = f" ({counts['found']} found in earlier files)" if counts["found"] else ""
    this.done(
        f"{counts['points']} points with the {engine} engine{found}, {counts['ckm']} without CKM "
        f"elements, {counts['errors']} errors"
    )
