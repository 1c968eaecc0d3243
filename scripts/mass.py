"""Scan the run's grid at another mass with the compiled engine, profile it and fit."""

import tempfile
from pathlib import Path

from malaphoric import fits, scan, statistics, store
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood
from malaphoric.smeft import M_REFERENCE

with job(snakemake) as this:
    run, mass = this.run, float(snakemake.wildcards.mass)
    data = Likelihood.load(snakemake.input.likelihood, run.categories)
    theory = scan.load_theory(run.model, "compiled", mass, run["smeft_accuracy"])
    description = {**run.theory("compiled"), "M_X": mass}
    record = {**run.record, "M_X": mass}
    with tempfile.TemporaryDirectory() as folder:
        chunk, path = Path(folder) / "chunk.h5", Path(folder) / "scan.h5"
        scan.write_points(chunk, run.grid.points(), theory, data, description, False, this.log)
        whole = [([chunk], 0, run.grid.size)]
        scan.merge(path, run.grid, whole, [description], data, record)
        # the same points in hatted variables, physical at 3 TeV, so that the masses compare
        grid = statistics.profile(path, snakemake.output.profile, limit=1.0)
    chi2 = scan.ModelLikelihood(run.model, mass, theory, data).chi2_of_few
    # |epsilon_hat| <= 1 at every mass compares them; |epsilon| <= 1 is what can be
    result = {
        name: fits.best_fits(
            grid, data.chi2_sm, data.n_obs, fits.physical_box(run.grid.axes, at), chi2
        )["malaphoric"]
        for name, at in (("hatted", M_REFERENCE), ("physical", max(mass, M_REFERENCE)))
    }
    store.write_json(snakemake.output.best, result)
    this.done(
        ", ".join(
            f"{name}: chi2_SM - chi2 = {fit['dchi2']['global']:.2f}"
            for name, fit in result.items()
            if fit
        )
    )
