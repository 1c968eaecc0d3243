"""Scan the run's grid at another mass with the compiled engine, profile it and fit."""

import tempfile
from pathlib import Path

from malaphoric import store
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines import loading
from malaphoric.inference import fits, statistics
from malaphoric.physics.model import Model
from malaphoric.physics.smeft import M_REFERENCE
from malaphoric.scan import chunks, merging
from malaphoric.scan.grid import Grid
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s, given, out = this.settings, snakemake.input, snakemake.output
    model, mass, grid = Model.of(s["model"]), float(s["M_X"]), Grid.of(s["grid"])
    data, wanted = Likelihood.load(given.likelihood, s["categories"]), dict(s["fits"])
    setting, table = (model, "compiled", mass, s["smeft_accuracy"]), given.get("extra_table")
    engine = loading.engine_of(data.observables, *setting, table=table)
    description = {"model": s["model"], "M_X": mass, "recipe": this.recipe}
    record = {**s["configuration"], "M_X": mass}
    with tempfile.TemporaryDirectory() as folder:
        chunk, path = Path(folder) / "chunk.h5", Path(folder) / "scan.h5"
        chunks.write_points(chunk, grid.points(), engine, data, description, False, this.log)
        whole = [([chunk], 0, grid.size)]
        merging.merge(path, grid, whole, [description], data, record, about=model.records)
        # the same points in hatted variables, physical at 3 TeV, so that the masses compare
        best = statistics.profile(path, out.profile, M_REFERENCE, wanted)
    chi2 = loading.ModelLikelihood(model, mass, engine, data).chi2_of_few
    # |epsilon_hat| <= 1 at every mass compares them; |epsilon| <= 1 is what can be
    result, said = {"recipe": this.recipe}, []
    for name, at in (("hatted", M_REFERENCE), ("physical", max(mass, M_REFERENCE))):
        limits = fits.physical_box(grid, at)
        given_data = (best, data.chi2_sm, data.n_obs, limits, wanted)
        fit = fits.best_fits(*given_data, chi2, model.records).main
        result[name] = fit and fit.as_dict()
        said += [f"{name}: chi2_SM - chi2 = {fit.dchi2['global']:.2f}"] if fit else []
    store.write_json(out.best, result)
    this.done(", ".join(said))
