# Remaking the table of the compiled engine: only on demand, `make table`.
#
# What is in results and no run begins with a dot, which no name of a run does.

from malaphoric.engines.compiling import PARTS

TABLE = "workflow/src/malaphoric/data/compiled.h5"


rule compile_part:
    """One independent part of the table."""
    output:
        "results/.compile/{part}.h5",
    wildcard_constraints:
        part="|".join(PARTS),
    log:
        "results/.compile/logs/{part}.log",
    params:
        recipe=text("compile_part"),
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/compile_part.py"


rule compile:
    """The table and the measurements of the package, remade for the installed versions."""
    localrule: True
    input:
        expand("results/.compile/{part}.h5", part=PARTS),
    output:
        table=TABLE,
        measurements="workflow/src/malaphoric/data/measurements.h5",
        names="workflow/src/malaphoric/data/names.json",
    log:
        "results/.compile/logs/table.log",
    params:
        recipe=text("compile"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/compile.py"


rule compile_running:
    """The running of every coefficient that a vector boson can generate, to where the table reads."""
    input:
        table=TABLE,
    output:
        "workflow/src/malaphoric/data/running.h5",
    log:
        "results/.compile/logs/running.log",
    params:
        recipe=text("compile_running"),
    threads: 64  # as many as there are
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/compile_running.py"
