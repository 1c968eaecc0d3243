"""Hold the compiled engine against the exact points of the run."""

import json
from pathlib import Path

from malaphoric.data.categories import observable_tuple
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines import loading
from malaphoric.engines.basis import parameters
from malaphoric.inference import validation
from malaphoric.physics.model import Model
from malaphoric.report import figures, notes
from malaphoric.scan import chunks
from malaphoric.workflow.jobs import job

import numpy as np

with job(snakemake) as this:
    s, given, out = this.settings, snakemake.input, snakemake.output
    data = Likelihood.load(given.likelihood, s["categories"])
    chosen = json.loads(Path(given.points).read_text())
    files = [path for name, path in given.items() if name.startswith(("exact_", "paper")) and path]
    parts = [chunks.read_points([path], [s["theory"]], data) for path in files]
    exact = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    engine = loading.compiled_engine(s, given)
    ours = engine.evaluate(exact["points"])
    additional = list(map(observable_tuple, s["extra"]))
    minimum = np.nan if chosen["minimum"] is None else chosen["minimum"]
    result = validation.compare(exact, ours, data, minimum, additional)
    names = parameters(Model.of(s["model"]), s["M_X"])
    validation.write_tables(
        result, names, exact["points"], data.observables, out.points, out.observables
    )
    about = [validation.BOUNDS, s["title"], out.pdf, out.png, notes.of_data(s["data"])]
    figures.validation(result.distance, result.chi2, *about)
    if result.failures:
        raise SystemExit(
            "the compiled engine is not good enough for this run:\n"
            + "\n".join(result.failures)
            + "\nA smaller box, or `engine: exact`, helps. Tables and page were not remade; the "
            "figures show what this engine says: do not use them."
        )
    near = result.distance <= 400
    worst = ", ".join(f"{c} {v[near].max(initial=0):.1g}" for c, v in result.chi2.items())
    this.done(
        f"{near.sum()} of {len(near)} exact points within 400 of the best fit, largest errors of "
        f"chi2: {worst}; {chosen['said']}"
    )
