"""Choose the points at which the compiled engine is held against the exact one."""

from malaphoric import store
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines import loading
from malaphoric.inference import validation
from malaphoric.inference.results import Fits
from malaphoric.physics.model import Model
from malaphoric.scan.grid import Grid
from malaphoric.workflow.jobs import job

import numpy as np

with job(snakemake) as this:
    s, given = this.settings, snakemake.input
    data = Likelihood.load(given.likelihood, s["categories"])
    engine = loading.compiled_engine(s, given)
    likelihood = loading.ModelLikelihood(Model.of(s["model"]), s["M_X"], engine, data)
    about = (s["M_X"], s["profiled"], likelihood.parameters)
    box = validation.box_of(Grid.of(s["grid"]), *about)

    def chi2(points: np.ndarray) -> np.ndarray:
        """Global chi2 by the compiled engine."""
        return likelihood.chi2(points)["global"]

    fits = Fits.read(given.best_fit)
    best = fits.main.chi2["global"] if fits.main else None
    records = likelihood.model.records
    fresh = validation.fresh_points(box, s["M_X"], s["points"], s["seed"], chi2, best, records)
    near = [
        validation.near_fit(fit, box, chi2, records) for fit in fits.points(likelihood.parameters)
    ]
    points = np.concatenate([fresh.points, *near]).tolist()
    result = {"points": points, "minimum": fresh.minimum, "said": fresh.said}
    store.write_json(snakemake.output[0], {**result, "recipe": this.recipe})
    this.done(f"{fresh.said}; near the best fits {len(near)}")
