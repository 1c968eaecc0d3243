"""Put a run into one page: figures, tables, best fits, explorer, record."""

import json
from pathlib import Path

from malaphoric import store
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines import loading
from malaphoric.inference.results import Fits
from malaphoric.physics.model import Model
from malaphoric.report import explorer, page
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s, given = this.settings, snakemake.input
    model, mass = Model.of(s["model"]), s["M_X"]
    likelihood = None
    if s["engine"] == "compiled":
        data = Likelihood.load(given.likelihood, s["categories"])
        likelihood = loading.ModelLikelihood(model, mass, loading.compiled_engine(s, given), data)
    explored = explorer.make(given.scan, given.profile, mass, likelihood)
    pictures = [*given.figures, *(path for path in given.validation if path.endswith(".png"))]
    tables = dict(zip(("Table 1", "Table 4"), given.tables, strict=True))
    tables |= {
        f"Check against exact points: {Path(path).stem}": path
        for path in given.validation
        if path.endswith(".csv")
    }
    files = page.Files(
        dict(zip(s["figures"], pictures, strict=True)), given.pulls, tables, list(given.texts)
    )
    fits, record = Fits.read(given.best_fit), json.loads(Path(given.record).read_text())
    about = (s["title"], tuple(s["levels"]), model.records, s["captions"])
    store.write_text(snakemake.output[0], page.make(fits, record, files, *about, explored))
    this.done(f"{snakemake.output[0]}, to be opened in a browser")
