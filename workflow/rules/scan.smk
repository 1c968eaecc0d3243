# The scan: all chunks in one file.


rule scan:
    """Merge the chunks; refuses holes, damaged and foreign chunks."""
    input:
        likelihood=f"{OUT}/likelihood.h5",
        chunks=chunk_files(),
    output:
        f"{OUT}/scan.h5",
    log:
        f"{OUT}/logs/scan.log",
    params:
        configuration=store.canonical(RUN.record),
        code=store.room_digest("scan", "likelihood"),
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: (RUN.grid.size // 10**6 + 30) * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/scan.py"
