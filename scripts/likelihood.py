"""Put together the data half of a run: what its configuration selects, and its overlays."""

from pathlib import Path

from malaphoric.data import theory
from malaphoric.data.categories import observable_tuple
from malaphoric.data.measurements import PACKAGED, Measurements, combine, doubts
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s, given = this.settings, snakemake.input
    base = Measurements.load(given.get("measurements") or PACKAGED)
    overlays = [Path(path) for path in given.overlays]
    extra = None
    if s["extra"]:
        draws = theory.Draws.load(given.get("extra") or theory.EXTRA)
        draws = draws.of(list(map(observable_tuple, s["extra"])))
        extra = theory.follow(theory.Draws.load(theory.PACKAGED), draws)
    likelihood = combine(base, s["lep2_set"], s["selection"], overlays, extra)
    doubted = doubts(base, s["selection"], overlays, extra)
    for doubt in doubted:
        this.say(f"note: {doubt}")
    likelihood.settings["doubts"] = [doubt for doubt, answered in doubted.items() if not answered]
    likelihood.save(snakemake.output[0])
    this.done(
        "chi2 of the Standard Model: "
        + ", ".join(f"{name} {value:.2f}" for name, value in likelihood.chi2_sm.items())
    )
