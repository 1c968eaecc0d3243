# Theory and data: what every chunk needs, and the chunks themselves.


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


rule running:
    """Linear running of the model's coefficients from M_X to where the compiled table reads them."""
    output:
        f"{OUT}/running.h5",
    log:
        f"{OUT}/logs/running.log",
    params:
        theory=store.canonical(RUN.theory("compiled")),
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/running.py"


rule chunk:
    """A range of grid points: predictions (exact engine) and chi2 by category."""
    input:
        unpack(theory_inputs),
    output:
        f"{OUT}/chunks/{{chunk}}.h5",
    log:
        f"{OUT}/logs/chunks/{{chunk}}.log",
    params:
        range=lambda wildcards: RUN.chunks[wildcards.chunk],
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: int(2 * RUN.longest_chunk + 15) * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/chunk.py"
