"""Draw one of the figures of a scan or profile."""

import json
from pathlib import Path

from malaphoric import figures
from malaphoric.jobs import job

with job(snakemake) as this:
    s, given, out = this.settings, snakemake.input, snakemake.output
    best = json.loads(Path(given.best_fit).read_text()).get(s["best"])
    draw = getattr(figures, s["draw"])
    with figures.noted(s["note"]):
        draw(given.data, s["title"], s["M_X"], tuple(s["levels"]), best, out.pdf, out.png)
    this.done(f"{out.pdf} and .png")
