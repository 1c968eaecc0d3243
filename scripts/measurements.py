"""Collect all measurements, draw their covariances, and compute the Standard Model."""

from malaphoric.data.measurements import make_measurements
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    measurements = make_measurements(**this.settings)
    measurements.save(snakemake.output[0])
    this.done(f"{len(measurements.observables)} observables")
