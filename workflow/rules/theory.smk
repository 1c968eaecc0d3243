# Theory and data: what every chunk needs, and the chunks themselves.

from malaphoric.scan import data_code


def theory_inputs(wildcards):
    """Stored predictions are weighed with new data by the merge: no theory is recomputed then."""
    data = f"{OUT}/likelihood.h5"
    if RUN["engine"] == "exact":
        return {"likelihood": ancient(data)}
    return {"likelihood": data, "running": f"{OUT}/running.h5"}


rule likelihood:
    """Measurements and covariances, drawn once with a seed, and the Standard Model."""
    output:
        f"{OUT}/likelihood.h5",
    log:
        f"{OUT}/logs/likelihood.log",
    params:
        data=store.canonical(
            {**RUN.likelihood(), "code": data_code(), "versions": store.versions()}
        ),
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/likelihood.py"


rule chunk:
    """A range of grid points: predictions (exact engine) and chi2 by category."""
    input:
        unpack(theory_inputs),
    output:
        OUT + "/chunks/{chunk}.h5",
    log:
        OUT + "/logs/chunks/{chunk}.log",
    params:
        range=lambda wildcards: RUN.chunks[wildcards.chunk],
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: int(3 * RUN["chunk_minutes"] + 10) * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/chunk.py"
