"""Draw one of the figures of a scan or profile."""

import json
from pathlib import Path

from malaphoric import figures
from malaphoric.jobs import job

with job(snakemake) as this:
    fits = json.loads(Path(snakemake.input.best_fit).read_text())
    getattr(figures, snakemake.params.figure)(
        snakemake.input.data,
        this.run.model.title,
        this.run["M_X"],
        tuple(this.run["confidence_levels"]),
        fits,
        snakemake.output.pdf,
        snakemake.output.png,
    )
    this.done(f"{snakemake.output.pdf} and .png")
