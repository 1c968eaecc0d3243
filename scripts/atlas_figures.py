"""Draw the best fits of all models of an atlas."""

import json
from pathlib import Path

from malaphoric.atlas import ranking
from malaphoric.atlas.fitting import COLUMNS, FITS
from malaphoric.data.likelihood import Likelihood
from malaphoric.inference import c9
from malaphoric.inference.results import SHOWN, Fits
from malaphoric.report import figures, notes
from malaphoric.workflow.jobs import job

import numpy as np

with job(snakemake) as this:
    s, given, out = this.settings, snakemake.input, snakemake.output
    every, known, _ = ranking.load(given.ranking)
    fitted = np.isfinite(every.columns[f"{ranking.MAIN}/dchi2"][:, -1])
    found = every.taken(np.flatnonzero(fitted))  # the first ones
    unchecked = [] if s["checked"] else ["Not checked against exact points."]
    said = [*unchecked, *notes.of_data(s["data"])]
    page = figures.Page(
        s["title"], s["M_X"], tuple(s["levels"]), Fits(notes=dict.fromkeys(said, SHOWN))
    )
    main = {name: found.columns[f"{ranking.MAIN}/{name}"] for name in COLUMNS}
    places, dchi2 = ranking.coefficients(found, c9.PLANES["c9"]), main["dchi2"][:, -1]
    marked = {s["known"][name]: row for name, row in known.items() if row < len(found)}
    data = Likelihood.load(given.likelihood, s["categories"])
    direct = c9.direct_plane(data, c9.PLANES["c9"], places)
    at_limit = (main["at_limit"] == 1).any(axis=1)
    shown = zip(out.pdf, out.png, strict=True)
    figures.atlas_c9(places, dchi2, at_limit, marked, direct, page, *next(shown))
    names = {"unmixed": r"unmixed, $\hat\epsilon = 0$", "mixed": "all parameters free"}
    by_fit = {names[fit]: found.columns[f"{fit}/dchi2"][:, -1] for fit in FITS}
    by_fit = {name: values[np.isfinite(values)] for name, values in by_fit.items()}
    marked = {title: dchi2[row] for title, row in marked.items()}
    chance = json.loads(Path(given.toys).read_text()) if given.toys else None
    figures.atlas_dchi2(by_fit, marked, chance, page, *next(shown))
    this.done(", ".join(out.png))
