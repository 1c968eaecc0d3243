"""Run the model's coefficients from M_X to where a compiled table reads them."""

from malaphoric.engines import running
from malaphoric.engines.compiled import EXTRA, Table
from malaphoric.physics.model import Model
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s = this.settings
    packaged = EXTRA if s["additional"] else None
    table = Table.load(snakemake.input.get("table") or packaged)
    model = Model.of(s["model"])
    found = running.run(model, s["M_X"], s["smeft_accuracy"], table, this.log)
    found.save(snakemake.output[0])
    this.done(f"{len(found.values)} ports")
