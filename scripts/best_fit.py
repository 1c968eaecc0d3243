"""Best fits of the unmixed and the malaphoric model."""

import json
from pathlib import Path

from malaphoric import fits, scan, statistics, store
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood
from malaphoric.smeft import g_prime

with job(snakemake) as this:
    run, given, out = this.run, snakemake.input, snakemake.output
    grid = json.loads(Path(given.best).read_text())
    data = Likelihood.load(given.likelihood, run.categories)
    chi2 = None
    if run["engine"] == "compiled":
        theory = this.compiled_theory(given)
        chi2 = scan.ModelLikelihood(run.model, run["M_X"], theory, data).chi2_of_few
    box = fits.physical_box(run.grid.axes, run["M_X"])
    found = fits.best_fits(grid, data.chi2_sm, data.n_obs, box, chi2)
    points = statistics.best_points(found)
    if run["engine"] == "compiled":
        best = theory.evaluate(points)
    else:  # the best fits are points of the grid
        best = scan.select_points(points, run.pair(given.chunks), run.layers(), data)
    description = run.theory(extra=True)
    scan.save_points(out.points, points, best, data.observables, data, description)
    result = {
        **found,
        "notes": [*grid["notes"], *fits.notes(found, box, run["M_X"])],
        "intervals": statistics.all_intervals(given.profile, run["confidence_levels"]),
        "g_prime": g_prime(run["M_X"]),
        "configuration": run.record,
        "versions": store.provenance(),
    }
    store.write_json(out.fits, result)
    said = [
        f"{name}: chi2_SM - chi2 = {found[name]['dchi2']['global']:.2f}."
        for name in ("unmixed", "malaphoric")
        if found[name]
    ]
    this.done(" ".join([*said, *result["notes"]]))
