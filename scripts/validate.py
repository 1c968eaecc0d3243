"""Hold the compiled engine against the exact points of the run."""

import json
from pathlib import Path

from malaphoric import figures, scan, validation
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood

import numpy as np

with job(snakemake) as this:
    run, given, out = this.run, snakemake.input, snakemake.output
    data = Likelihood.load(given.likelihood, run.categories)
    files = (given.table4, given.fresh, given.exact_best)
    parts = [scan.read_points(paths, run.layers("exact"), data) for paths in files]
    exact = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    theory = this.compiled_theory(given)
    fits = json.loads(Path(given.best_fit).read_text())
    minimum = fits["malaphoric"]["chi2"]["global"]
    ours = theory.evaluate(exact["points"])
    result = validation.compare(exact, ours, data, minimum, run.selection.extra)
    validation.write_tables(result, exact["points"], data.observables, out.points, out.observables)
    figures.validation(
        result["distance"], result["chi2"], validation.BOUNDS, run.model.title, out.pdf, out.png
    )
    if result["failures"]:
        raise SystemExit(
            "the compiled engine is not good enough for this run:\n"
            + "\n".join(result["failures"])
            + "\nA smaller box, or `engine: exact`, helps. Figures and tables were not remade."
        )
    near = result["distance"] <= 400
    worst = ", ".join(f"{c} {v[near].max():.1g}" for c, v in result["chi2"].items())
    this.done(f"{near.sum()} of {len(near)} exact points within 400 of the best fit; {worst}")
