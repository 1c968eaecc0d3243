"""Planes of C9: the direct fit, and where the model can be."""

from malaphoric.data.likelihood import Likelihood
from malaphoric.engines import loading
from malaphoric.engines.basis import parameters
from malaphoric.engines.compiled import EXTRA, Table
from malaphoric.inference import c9, fits
from malaphoric.inference.results import ScanResult
from malaphoric.physics.model import Model
from malaphoric.scan.grid import Grid
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s, given = this.settings, snakemake.input
    model, mass = Model.of(s["model"]), s["M_X"]
    data = Likelihood.load(given.likelihood, s["categories"])
    likelihood = loading.ModelLikelihood(model, mass, loading.compiled_engine(s, given), data)
    names = parameters(model, mass)
    box = fits.physical_box(Grid.of(s["grid"]), mass, s["profiled"], names)
    grid = ScanResult.read(given.best)
    starts = [point.values for point in (grid.best, *grid.fits.values()) if point]
    extra = Table.load(given.get("extra_table") or EXTRA) if s["extra"] else None
    about = (s["planes"], likelihood, box, starts, extra)
    this.done(c9.save(snakemake.output[0], *about, this.log))
