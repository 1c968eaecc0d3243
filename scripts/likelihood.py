"""Make the data half of a run: measurements, covariances and the Standard Model."""

from malaphoric.jobs import job
from malaphoric.likelihood import make_likelihood

with job(snakemake) as this:
    likelihood = make_likelihood(**this.run.likelihood())
    likelihood.save(snakemake.output[0])
    this.done(
        "chi2 of the Standard Model: "
        + ", ".join(f"{name} {value:.2f}" for name, value in likelihood.chi2_sm.items())
    )
