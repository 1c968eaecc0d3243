"""Best fits of the unmixed and the malaphoric model."""

import json
from pathlib import Path

from malaphoric import box, fits, notes, scan, statistics, store
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood
from malaphoric.smeft import M_REFERENCE, g_prime, zprime

with job(snakemake) as this:
    run, given, out = this.run, snakemake.input, snakemake.output
    grid = json.loads(Path(given.best).read_text())
    data = Likelihood.load(given.likelihood, run.categories)
    chi2 = None
    if run["engine"] == "compiled":
        theory = this.compiled_theory(given)
        likelihood = scan.ModelLikelihood(run.model, run["M_X"], theory, data)
        chi2 = likelihood.chi2_of_few
    limits = fits.physical_box(run.grid.axes, run["M_X"])
    levels = run["confidence_levels"]
    command = f"python -m malaphoric box {run['model']}"
    if run["M_X"] != M_REFERENCE:
        command += f" --M-X {run['M_X']:g}"
    given_data = (grid, data.chi2_sm, data.n_obs, limits)
    if chi2:
        found, profiles = fits.best_fits_with_profiles(*given_data, chi2, levels)
        about = (levels, command, lambda: box.propose(likelihood)["grid"])
    else:
        found, profiles = fits.best_fits(*given_data), statistics.grid_profiles(given.profile)
        about = (levels, command)
    for fit in filter(None, (found["unmixed"], found["malaphoric"])):
        fit["Zprime"] = zprime(fit["epsilon_hat"], fit["g_hat"], run["M_X"])
    points = statistics.best_points(found)
    if run["engine"] == "compiled":
        best = theory.evaluate(points)
    else:  # the best fits are points of the grid
        best = scan.select_points(points, run.pair(given.chunks), run.layers(), data)
    description = run.theory(extra=True)
    scan.save_points(out.points, points, best, data.observables, data, description)
    result = {
        **found,
        "notes": [
            *notes.of_data(path.stem for path in run.selection.overlays),
            *notes.of_fits(found, grid, profiles, limits, run["M_X"], *about),
        ],
        "intervals": statistics.all_intervals(profiles, levels),
        "profiles": profiles,
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
