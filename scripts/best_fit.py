"""Best fits of the model, with parameters free or held fixed."""

from dataclasses import replace

from malaphoric import store
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines import loading
from malaphoric.engines.basis import parameters
from malaphoric.inference import c9, fits, statistics
from malaphoric.inference.results import SHOWN, ScanResult
from malaphoric.physics.model import Model
from malaphoric.physics.parameters import MASS
from malaphoric.physics.smeft import g_prime, zprime
from malaphoric.report import notes
from malaphoric.scan import chunks
from malaphoric.scan.grid import Grid
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s, given, out = this.settings, snakemake.input, snakemake.output
    grid, mass, levels = ScanResult.read(given.best), s["M_X"], s["levels"]
    data = Likelihood.load(given.likelihood, s["categories"])
    scanned = Grid.of(s["grid"])
    model = Model.of(s["model"])
    names = parameters(model, mass)
    limits = fits.physical_box(scanned, mass, s["profiled"], names)
    given_data = (grid, data.chi2_sm, data.n_obs, limits, dict(s["fits"]))
    if compiled := s["engine"] == "compiled":
        engine = loading.compiled_engine(s, given)
        likelihood = loading.ModelLikelihood(model, mass, engine, data)
        chi2 = fits.physical_chi2(likelihood)
        found = fits.best_fits_with_profiles(*given_data, chi2, levels, model.records)
    else:
        found = fits.best_fits(*given_data)
        found = replace(found, profiles=statistics.grid_profiles(given.profile))
    points = found.points(names)
    if compiled:
        best = engine.evaluate(points)
        places = c9.at(engine, points, best.ckm)
    else:  # the best fits are points of the grid
        best = chunks.select_points(points, chunks.pair(given.chunks), s["layers"], data)
        places = [None] * len(points)
    chunks.save_points(out.points, points, best, data.observables, data, s["theory"])
    own = {}
    for (name, fit), place in zip(found.found.items(), places, strict=True):
        x = fit.values
        boson = zprime(x["epsilon_hat"], x["g_hat"], x.get(MASS, mass))
        own[name] = replace(fit, Zprime=boson, C9=place)
    everywhere = [f"{s['note'].capitalize()}."] if s["note"] else []
    everywhere += notes.of_data(s["configuration"]["data"])
    said = dict.fromkeys(everywhere, SHOWN)
    said |= dict.fromkeys([*data.settings["doubts"], *s["remarks"]], ())
    intervals = statistics.all_intervals(found.profiles, levels, model.records)
    found = replace(found, intervals=intervals)
    said |= notes.of_fits(found, grid, limits, mass, levels, s["box_command"], model.records)
    result = {
        **replace(found, found=own, notes=said).as_dict(),
        **({"g_prime": g_prime(mass)} if mass else {}),
        "check": s["check"],
        "configuration": s["configuration"],
        "versions": store.provenance(),
        "recipe": this.recipe,
    }
    store.write_json(out.fits, result)
    improved = [f"{n}: chi2_SM - chi2 = {fit.dchi2['global']:.2f}." for n, fit in own.items()]
    for note in said:  # the end of the run says them, too
        this.log(note)
    this.done(" ".join(improved))
