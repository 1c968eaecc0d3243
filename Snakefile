# malaphoric: which part of a Z' model's parameter space survives the data?
#
#   likelihood ─┬─> chunk (many) ──> scan ──> profile ──> best_fit ──> figures, tables
#   running ────┘                                            │            ↑
#   (compiled engine)              exact points ──────> validate ─────────┘
#
# One run configuration, one folder results/<run>. Other configurations: --configfile FILE.

import os

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.0")

# Jobs are many and each is serial: oversubscribed BLAS threads make them several times slower.
# A fixed hash seed keeps the order of sums inside flavio, and so the bits of every result.
# The package's source is given to jobs whose own environment (conda) does not have it installed.
os.environ.update(
    OMP_NUM_THREADS="1",
    OPENBLAS_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    PYTHONHASHSEED="0",
    PYTHONPATH=os.path.join(workflow.basedir, "workflow", "src"),
)

from malaphoric import store
from malaphoric.configuration import Configuration
from malaphoric.schema import ConfigurationError

# not merged with another configuration: a key left out has its documented default
if not workflow.config_settings.configfiles:

    configfile: "config/config.yaml"


try:
    RUN = Configuration(config, ", ".join(map(str, workflow.configfiles)))
except ConfigurationError as error:
    raise WorkflowError(str(error))

OUT = f"results/{RUN['run']}"


wildcard_constraints:
    chunk="[0-9a-f]{16}",
    digest="[0-9a-f]{16}",
    points="table4|fresh|best_fit",


include: "workflow/rules/common.smk"
include: "workflow/rules/compile.smk"
include: "workflow/rules/theory.smk"
include: "workflow/rules/scan.smk"
include: "workflow/rules/statistics.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/masses.smk"


# on a cluster: seconds each, so done where Snakemake runs instead of waiting in the queue
localrules:
    all,
    profile,
    best_fit,
    validate,
    tables,
    pulls,
    comparison,
    fig2,
    fig3_left,
    fig3_right,
    fig4,
    profiles,
    masses,
    compile,


rule all:
    input:
        f"{OUT}/scan.h5",
        f"{OUT}/profile.h5",
        f"{OUT}/best_fit.json",
        rules.tables.output,
        rules.pulls.output,
        rules.comparison.output,
        figure_files(),
    default_target: True
