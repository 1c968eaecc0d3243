"""Evaluate a chunk of the grid, or minimise over what is profiled at its points."""

from malaphoric.data.likelihood import Likelihood
from malaphoric.engines import loading
from malaphoric.physics.model import Model
from malaphoric.scan import chunks
from malaphoric.scan.grid import Grid
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s, given, (path,) = this.settings, snakemake.input, snakemake.output
    exact, grid = s["engine"] == "exact", Grid.of(s["grid"])
    engine = loading.exact_engine(s) if exact else loading.compiled_engine(s, given)
    if s["profiled"]:
        from malaphoric.inference import profiling

        data = Likelihood.load(given.likelihood, s["categories"])
        likelihood = loading.ModelLikelihood(Model.of(s["model"]), s["M_X"], engine, data)
        start, stop = chunks.range_of(path)
        progress = chunks.Progress(stop - start, this.log)
        found = profiling.minimised(likelihood, grid, s["profiled"], start, stop, progress)
        counts = chunks.save_profiled(path, grid, found, data, engine.observables, s["layer"])
    else:
        kept = chunks.kept_in(snakemake.params.kept, s["layer"])
        counts = chunks.write_points(
            path,
            grid.points(*chunks.range_of(path)),
            engine,
            Likelihood.load(given.likelihood),
            s["layer"],
            keep_predictions=exact,
            out=this.log,
            earlier=chunks.others(path, kept),
        )
        if exact:
            chunks.keep(path, kept)
    this.done(chunks.said(counts, s["engine"]))
