"""Evaluate a chunk of the grid, or a list of points given in the rule's parameters."""

import numpy as np
from malaphoric import scan
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood

with job(snakemake) as this:
    run, params = this.run, snakemake.params
    given = snakemake.params.get("points")
    engine = run["engine"] if given is None else "exact"
    points = run.grid.points(**params.range) if given is None else np.array(given)
    counts = scan.write_points(
        snakemake.output[0],
        points,
        scan.load_theory(
            run.model,
            engine,
            run["M_X"],
            run["smeft_accuracy"],
            running=snakemake.input.get("running"),
        ),
        Likelihood.load(snakemake.input.likelihood, run.categories),
        run.theory(engine),
        keep_predictions=engine == "exact",
        out=this.log,
    )
    this.done(
        f"{counts['points']} points with the {engine} engine, {counts['ckm']} without CKM, "
        f"{counts['errors']} errors"
    )
