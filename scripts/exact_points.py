"""Evaluate points exactly, unless they are kept: the paper's, or those that check a run."""

import json
from functools import partial
from pathlib import Path

from malaphoric.engines import loading
from malaphoric.engines.basis import parameters
from malaphoric.physics.model import Model
from malaphoric.scan import chunks
from malaphoric.workflow.jobs import job

import numpy as np

with job(snakemake) as this:
    s, given = this.settings, snakemake.input
    points = s.get("points")
    if points is None:  # every job takes its share
        number = int(snakemake.wildcards.number)
        points = json.loads(Path(given.points).read_text())["points"][number :: s["parts"]]
    layers = [
        (layer, partial(loading.exact_engine, {**s, "extra": s["extra"] if number else []}))
        for number, layer in enumerate(s["layers"])
    ]
    names = parameters(Model.of(s["model"]), s["M_X"])
    points = np.array(points, dtype=float).reshape(-1, len(names))
    counts = chunks.write_kept(snakemake.output[0], points, layers, snakemake.params.kept, this.log)
    this.done(chunks.said(counts, "exact"))
