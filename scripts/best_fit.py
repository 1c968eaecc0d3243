"""Best fits of the model, with parameters free or held fixed."""

import json
from pathlib import Path

from malaphoric import store
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines import loading
from malaphoric.engines.basis import parameters
from malaphoric.inference import c9, fits, statistics
from malaphoric.physics.model import Model
from malaphoric.physics.parameters import MASS
from malaphoric.physics.smeft import g_prime, zprime
from malaphoric.report import notes
from malaphoric.scan import chunks
from malaphoric.scan.grid import Grid
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s, given, out = this.settings, snakemake.input, snakemake.output
    grid, mass, levels = json.loads(Path(given.best).read_text()), s["M_X"], s["levels"]
    data = Likelihood.load(given.likelihood, s["categories"])
    scanned = Grid.of(s["grid"])
    model = Model.of(s["model"])
    names = parameters(model, mass)
    limits = fits.physical_box(scanned, mass, s["profiled"], names)
    about = [levels, s["box_command"]]
    given_data = (grid, data.chi2_sm, data.n_obs, limits, dict(s["fits"]))
    if compiled := s["engine"] == "compiled":
        engine = loading.compiled_engine(s, given)
        likelihood = loading.ModelLikelihood(model, mass, engine, data)
        chi2 = fits.physical_chi2(likelihood)
        found, profiles = fits.best_fits_with_profiles(*given_data, chi2, levels, model.records)
    else:
        found, profiles = fits.best_fits(*given_data), statistics.grid_profiles(given.profile)
    own = [found[name] for name in found["fits"] if found[name]]
    for fit in own:
        fit["Zprime"] = zprime(fit["epsilon_hat"], fit["g_hat"], fit.get(MASS, mass))
    points = statistics.best_points(found, names)
    if compiled:
        best = engine.evaluate(points)
        for fit, place in zip(own, c9.at(engine, points, best.ckm), strict=True):
            fit["C9"] = place
    else:  # the best fits are points of the grid
        best = chunks.select_points(points, chunks.pair(given.chunks), s["layers"], data)
    chunks.save_points(out.points, points, best, data.observables, data, s["theory"])
    result = {
        **found,
        "notes": [
            *([f"{s['note'].capitalize()}."] if s["note"] else []),
            *notes.of_data(s["configuration"]["data"]["overlays"]),
            *notes.of_fits(found, grid, profiles, limits, mass, *about, about=model.records),
        ],
        "intervals": statistics.all_intervals(profiles, levels),
        "profiles": profiles,
        **({"g_prime": g_prime(mass)} if mass else {}),
        "check": s["check"],
        "configuration": s["configuration"],
        "versions": store.provenance(),
        "recipe": this.recipe,
    }
    store.write_json(out.fits, result)
    said = [
        f"{name}: chi2_SM - chi2 = {found[name]['dchi2']['global']:.2f}."
        for name in found["fits"]
        if found[name]
    ]
    this.done(" ".join([*said, *result["notes"]]))
