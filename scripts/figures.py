"""Draw all figures of a run."""

import json
from pathlib import Path

from malaphoric.data.likelihood import Likelihood
from malaphoric.inference import statistics
from malaphoric.physics.model import Model
from malaphoric.report import figures, notes
from malaphoric.scan import chunks
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s, given, out = this.settings, snakemake.input, snakemake.output
    fits = json.loads(Path(given.best_fit).read_text())
    files = dict(zip(s["figures"], zip(out.pdf, out.png, strict=True), strict=True))
    style = (s["title"], s["M_X"])
    levels, about = tuple(s["levels"]), Model.of(s["model"]).records
    for name in s["figures"]:
        if name in figures.DRAWN:
            data, draw = figures.DRAWN[name]
            draw(given[data], *style, levels, fits, *files[name], about=about)
    for name, shown in s["listed"].items():
        draw = figures.profile_regions if len(shown) == 2 else figures.profiles
        draw(given.profile, *style, levels, fits, *files[name], tuple(shown), about)
    data = Likelihood.load(given.likelihood, s["categories"])
    best = chunks.read_points([given.best], [s["theory"]], data)
    table = {
        row["observable"]: row for row in statistics.pulls(statistics.best_prediction(best), data)
    }
    for key in s["observables"]:
        if key not in table:
            this.log(f"{key}: not measured in the selected categories, left out")
    rows = [table[key] for key in s["observables"] if key in table]
    said = notes.without_unmixed_region(fits["notes"])
    figures.pulls(rows, *style, *files["fig4"], said)
    this.done(f"{', '.join(files)} in {Path(out.pdf[0]).parent}, as PDF and PNG")
