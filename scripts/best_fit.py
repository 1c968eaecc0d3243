"""Best fits of the unmixed and the malaphoric model."""

import json
from pathlib import Path

from malaphoric import chunks, engines, statistics, store
from malaphoric.grid import Grid
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood
from malaphoric.model import Model
from malaphoric.smeft import g_prime

with job(snakemake) as this:
    s, given, out = this.settings, snakemake.input, snakemake.output
    grid = json.loads(Path(given.best).read_text())
    data = Likelihood.load(given.likelihood, s["categories"])
    chi2 = None
    if s["engine"] == "compiled":
        theory = engines.compiled_theory(s, given)
        chi2 = engines.ModelLikelihood(Model.of(s["model"]), s["M_X"], theory, data).chi2_of_few
    box = statistics.physical_box(Grid.from_dict(s["grid"]).axes, s["M_X"])
    fits = statistics.best_fits(grid, data.chi2_sm, data.n_obs, box, chi2)
    points = statistics.best_points(fits)
    if s["engine"] == "compiled":
        best = theory.evaluate(points)
    else:  # the best fits are points of the grid
        best = chunks.select_points(points, chunks.pair(given.chunks), s["layers"], data)
    chunks.save_points(out.points, points, best, data.observables, data, s["theory"])
    result = {
        **fits,
        "intervals": statistics.all_intervals(given.profile, s["levels"]),
        "g_prime": g_prime(s["M_X"]),
        "check": s["check"],
        "configuration": s["configuration"],
        "versions": store.provenance(),
        "recipe": this.recipe,
    }
    store.write_json(out.fits, result)
    this.done(
        ", ".join(
            f"{name}: chi2_SM - chi2 = {fits[name]['dchi2']['global']:.2f}"
            for name in ("unmixed", "malaphoric")
            if fits[name]
        )
    )
