"""Planes of C9: the direct fit, and where the model can be."""

import json
from pathlib import Path

from malaphoric import c9, engines, fits
from malaphoric.basis import parameters
from malaphoric.compiled import Table
from malaphoric.grid import Grid
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood
from malaphoric.model import Model

with job(snakemake) as this:
    s, given = this.settings, snakemake.input
    model, mass = Model.of(s["model"]), s["M_X"]
    data = Likelihood.load(given.likelihood, s["categories"])
    likelihood = engines.ModelLikelihood(model, mass, engines.compiled_theory(s, given), data)
    names = parameters(model, mass)
    box = fits.physical_box(Grid.of(s["grid"]), mass, s["profiled"], names)
    found = json.loads(Path(given.best_fit).read_text())
    extra = Table.load(given.extra_table) if s["extra"] else None
    this.done(c9.save(snakemake.output[0], s["planes"], likelihood, box, found, extra))
