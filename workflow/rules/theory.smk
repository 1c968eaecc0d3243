# Theory and data: what every chunk needs, and the chunks themselves.


rule measurements:
    """All measurements, with covariances drawn once with a seed, and the Standard Model."""
    output:
        f"{OUT}/measurements.h5",
    log:
        f"{OUT}/logs/measurements.log",
    params:
        data=store.canonical(
            {**RUN.measurements(), "code": data_code(), "versions": store.versions()}
        ),
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/measurements.py"


rule extra:
    """Standard Model of the observables that the configuration includes beyond smelli's."""
    output:
        f"{OUT}/extra/{EXTRA_NAME}.h5",
    log:
        f"{OUT}/logs/extra.log",
    params:
        observables=RUN.theory("exact", extra=True)["additional"],
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/extra.py"


rule likelihood:
    """What the configuration selects of the measurements, and its overlays."""
    input:
        measurements=f"{OUT}/measurements.h5",
        overlays=[str(path) for path in RUN.selection.overlays],
        extra=f"{OUT}/extra/{EXTRA_NAME}.h5" if EXTRA else [],
    output:
        f"{OUT}/likelihood.h5",
    log:
        f"{OUT}/logs/likelihood.log",
    params:
        data=store.canonical({**RUN.likelihood(), "code": data_code()}),
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/likelihood.py"


rule extra_table:
    """Table and running of additional observables, for the compiled engine."""
    output:
        table=f"{OUT}/extra/{{extra}}-table.h5",
        running=f"{OUT}/extra/{{extra}}-running.h5",
    log:
        f"{OUT}/logs/extra-{{extra}}-table.log",
    params:
        theory=store.canonical(RUN.theory("compiled", extra=True)),
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/extra_table.py"


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
        range=lambda wildcards: CHUNKS[wildcards.chunk]["range"],
        layer=lambda wildcards: CHUNKS[wildcards.chunk]["layer"],
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: int(2 * RUN.longest_chunk + 15) * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/chunk.py"
