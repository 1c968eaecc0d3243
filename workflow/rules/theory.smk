# Theory: what every chunk needs, and the chunks themselves.


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
