# Theory and data: what every chunk needs, and the chunks themselves.


if "measurements" in RECIPES:

    rule measurements:
        """All measurements, with covariances drawn with a seed, where the package has none."""
        input:
            recipe=recipe("measurements", f"{OUT}/measurements.h5"),
        output:
            f"{OUT}/measurements.h5",
        log:
            f"{OUT}/logs/measurements.log",
        params:
            recipe=text("measurements"),
        resources:
            mem_mb=lambda wildcards, attempt: 2000 * attempt,
            runtime=lambda wildcards, attempt: 15 * attempt,
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/measurements.py"


if "extra" in RECIPES:
    EXTRA = f"{OUT}/extra/{RECIPES['extra'].digest[:16]}.h5"

    rule extra:
        """The theory of observables beyond smelli's, where the package does not have it."""
        output:
            EXTRA,
        log:
            f"{OUT}/logs/extra.log",
        params:
            recipe=text("extra"),
        resources:
            mem_mb=lambda wildcards, attempt: 2000 * attempt,
            runtime=lambda wildcards, attempt: 60 * attempt,
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/extra.py"


rule likelihood:
    """What the configuration selects of the measurements, and its overlays."""
    localrule: True
    input:
        recipe=recipe("likelihood", f"{OUT}/likelihood.h5"),
        measurements=f"{OUT}/measurements.h5" if "measurements" in RECIPES else [],
        overlays=[str(path) for path in RUN.selection.overlays],
        extra=EXTRA if "extra" in RECIPES else [],
    output:
        f"{OUT}/likelihood.h5",
    log:
        f"{OUT}/logs/likelihood.log",
    params:
        recipe=text("likelihood"),
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/likelihood.py"


if RUN["engine"] == "compiled":

    rule running:
        """Running of the model's coefficients from M_X to where the compiled table reads them."""
        input:
            recipe=recipe("running", f"{OUT}/running.h5"),
        output:
            f"{OUT}/running.h5",
        log:
            f"{OUT}/logs/running.log",
        params:
            recipe=text("running"),
        resources:
            mem_mb=lambda wildcards, attempt: 2000 * attempt,
            runtime=lambda wildcards, attempt: 30 * attempt,
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/running.py"


if "extra_table" in RECIPES:

    rule extra_table:
        """Table of additional observables, for the compiled engine."""
        output:
            extra_inputs()["extra_table"],
        log:
            f"{OUT}/logs/extra_table.log",
        params:
            recipe=text("extra_table"),
        resources:
            mem_mb=lambda wildcards, attempt: 2000 * attempt,
            runtime=lambda wildcards, attempt: 60 * attempt,
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/extra_table.py"


if "running-extra" in RECIPES:

    rule extra_running:
        """Running of the model's coefficients to where additional observables read them."""
        input:
            table=extra_inputs().get("extra_table", []),
        output:
            extra_inputs()["extra_running"],
        log:
            f"{OUT}/logs/extra_running.log",
        params:
            recipe=text("running-extra"),
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
        unpack(chunk_inputs),
    output:
        f"{OUT}/chunks/{{chunk}}.h5",
    log:
        f"{OUT}/logs/chunks/{{chunk}}.log",
    params:
        recipe=lambda wildcards: RECIPES.of_chunk(wildcards.chunk).text,
        kept=KEPT,
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: int(2 * RUN.longest_chunk + 15) * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/chunk.py"
