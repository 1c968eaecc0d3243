"""Draw figures of a run: regions and profiles, pulls, or planes of C9."""

from pathlib import Path

from malaphoric import store
from malaphoric.data.likelihood import Likelihood
from malaphoric.inference import statistics
from malaphoric.inference.results import Fits
from malaphoric.physics.model import Model
from malaphoric.report import figures, plotted
from malaphoric.scan import chunks
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s, given, out = this.settings, snakemake.input, snakemake.output
    files = dict(zip(s["figures"], zip(out.pdf, out.png, strict=True), strict=True))
    common = (tuple(s["levels"]), Fits.read(given.best_fit), Model.of(s["model"]).records)
    page = figures.Page(s["title"], s["M_X"], *common, s["fixed"])
    for name in s["figures"]:
        if name in figures.DRAWN:
            data, draw = figures.DRAWN[name]
            draw(given[data], page, *files[name])
    for name, shown in s["listed"].items():
        draw = figures.profile_regions if len(shown) == 2 else figures.profiles
        draw(given.profile, page, *files[name], tuple(shown))
    rows = []
    if "fig4" in files:
        data = Likelihood.load(given.likelihood, s["categories"])
        best = chunks.read_points([given.best], [s["theory"]], data)
        pulls = statistics.pulls(statistics.best_prediction(best), data)
        table = {row["observable"]: row for row in pulls}
        for key in s["observables"]:
            if key not in table:
                this.log(f"{key}: not measured in the selected categories, left out")
        rows = [table[key] for key in s["observables"] if key in table]
        figures.pulls(rows, page, *files["fig4"])
    for name, path in zip(s["figures"], out.csv, strict=True):
        shown = tuple(s["listed"].get(name, ()))
        store.write_csv(path, plotted.rows(name, given, page.fits, shown, rows))
    this.done(
        f"{', '.join(files)} in {Path(out.pdf[0]).parent}, as PDF and PNG, with their data as CSV"
    )
