# The record of a run, and on demand its export: `snakemake --cores N export`.


rule record:
    """What the results were made from: configuration, model, data, versions, git; and digests."""
    localrule: True
    input:
        recipe=recipe("record"),
        likelihood=f"{OUT}/likelihood.h5",
        results=results(),
    output:
        report(f"{OUT}/record.json", category="Record"),
    log:
        f"{OUT}/logs/record.log",
    params:
        recipe=text("record"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/record.py"


rule export:
    """The run as one archive, to be repeated and checked by its reader with `make check`."""
    localrule: True
    input:
        recipe=recipe("export"),
        results=results(),
        record=f"{OUT}/record.json",
    output:
        f"results/{RUN['run']}.tar.gz",
    log:
        f"{OUT}/logs/export.log",
    params:
        recipe=text("export"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/export.py"
