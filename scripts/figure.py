"""Draw one of the figures of a scan or profile."""

import json
from pathlib import Path

from malaphoric import figures
from malaphoric.jobs import job

with job(snakemake) as this:
    s, given, out = this.settings, snakemake.input, snakemake.output
    fits = json.loads(Path(given.best_fit).read_text())
    draw = getattr(figures, s["draw"])
    draw(given.data, s["title"], s["M_X"], tuple(s["levels"]), fits, out.pdf, out.png)
    this.done(f"{out.pdf} and .png")
