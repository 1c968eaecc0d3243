"""Profile a scan in its planes and find the best points of the grid."""

from malaphoric import store
from malaphoric.inference import statistics
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    wanted = dict(this.settings["fits"])
    grid = statistics.profile(snakemake.input.scan, snakemake.output.profile, fits=wanted)
    store.write_json(snakemake.output.best, {**grid.as_dict(), "recipe": this.recipe})
    said = "no valid point"
    if best := grid.best:
        place = ", ".join(f"{name} = {x:.4g}" for name, x in best.values.items())
        said = f"best point of the grid: {place}, chi2 = {best.chi2['global']:.2f}"
    this.done(said)
