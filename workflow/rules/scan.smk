# The scan: all chunks in one file.


rule scan:
    """Merge the chunks; refuses holes, damaged and foreign chunks."""
    input:
        recipe=recipe("scan", f"{OUT}/scan.h5"),
        **theory_inputs(),
        chunks=CHUNKS,
    output:
        f"{OUT}/scan.h5",
    log:
        f"{OUT}/logs/scan.log",
    params:
        recipe=text("scan"),
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: (RUN.grid.size // 10**6 + 30) * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/scan.py"
