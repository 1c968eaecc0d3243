"""Evaluate a chunk of the grid, or minimise over what is profiled at its points."""

from malaphoric import chunks, engines
from malaphoric.grid import Grid
from malaphoric.jobs import job
from malaphoric.likelihood import Likelihood
from malaphoric.model import Model

with job(snakemake) as this:
    s, given, (path,) = this.settings, snakemake.input, snakemake.output
    exact, grid = s["engine"] == "exact", Grid.of(s["grid"])
    theory = engines.exact_theory(s) if exact else engines.compiled_theory(s, given)
    if s["profiled"]:
        from malaphoric import profiling

        data = Likelihood.load(given.likelihood, s["categories"])
        likelihood = engines.ModelLikelihood(Model.of(s["model"]), s["M_X"], theory, data)
        start, stop = chunks.range_of(path)
        progress = chunks.Progress(stop - start, this.log)
        found = profiling.minimised(likelihood, grid, s["profiled"], start, stop, progress)
        counts = chunks.save_profiled(path, grid, found, data, theory.observables, s["layer"])
    else:
        counts = chunks.write_points(
            path,
            grid.points(*chunks.range_of(path)),
            theory,
            Likelihood.load(given.likelihood),
            s["layer"],
            keep_predictions=exact,
            out=this.log,
            earlier=chunks.others(path),
        )
    this.done(chunks.said(counts, s["engine"]))
