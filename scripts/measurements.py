"""Collect all measurements, draw their covariances, and compute the Standard Model."""

from malaphoric.jobs import job
from malaphoric.measurements import make_measurements

with job(snakemake) as this:
    measurements = make_measurements(**this.settings)
    measurements.save(snakemake.output[0])
    this.done(f"{len(measurements.observables)} observables")
