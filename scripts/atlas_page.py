"""Put an atlas into one page: what came out, map, ranking, figures, checks, record."""

import json
from pathlib import Path

from malaphoric import store
from malaphoric.atlas import ranking
from malaphoric.data.likelihood import Likelihood
from malaphoric.inference import c9
from malaphoric.report import atlas_page, notes
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s, given = this.settings, snakemake.input
    found, known, left = ranking.load(given.ranking)
    known = {s["known"][name]: row for name, row in known.items()}
    data = Likelihood.load(given.likelihood, s["categories"])
    plane = c9.PLANES["c9"]
    direct = c9.direct_plane(data, plane, ranking.coefficients(found, plane))
    chance = json.loads(Path(given.toys).read_text()) if given.toys else None
    said = [*notes.of_data(s["data"]), *data.settings["doubts"]]
    about = (direct, chance, given.exact or None, said)
    atlas = atlas_page.Atlas(found, known, left, s["M_X"], *about)
    record = json.loads(Path(given.record).read_text())
    pictures = dict(zip(s["captions"], given.figures, strict=True))
    made = atlas_page.make(atlas, record, pictures, s["captions"], s["title"], tuple(s["levels"]))
    store.write_text(snakemake.output[0], made)
    this.done(f"{snakemake.output[0]}, to be opened in a browser")
