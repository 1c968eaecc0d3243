"""Put together the data half of a run: what its configuration selects, and its overlays."""

from pathlib import Path

from malaphoric.data.measurements import PACKAGED, Measurements, combine, doubts
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    given = snakemake.input
    base = Measurements.load(given.get("measurements") or PACKAGED)
    overlays = [Path(path) for path in given.overlays]
    extra = Measurements.load(given.extra) if given.get("extra") else None
    likelihood = combine(base, **this.settings, overlays=overlays, extra=extra)
    likelihood.save(snakemake.output[0])
    for doubt in doubts(base, this.settings["selection"], overlays, extra):
        this.say(f"note: {doubt}")
    this.done(
        "chi2 of the Standard Model: "
        + ", ".join(f"{name} {value:.2f}" for name, value in likelihood.chi2_sm.items())
    )
