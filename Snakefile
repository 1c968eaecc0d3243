# malaphoric: which part of a Z' model's parameter space survives the data?
#
#   measurements ─> likelihood ─┬─> chunk (many) ─> scan ─> profile ─> best_fit ─> figures
#                      running ─┘                                          │
#            (compiled engine)                          exact points ──> validate ─> tables, page
#
# An atlas of models (the key `atlas`):
#
#   likelihood ─> atlas_chunk (many) ─> ranking ─┬─> exact_models ─> validate_models ─> figures
#                                                └─> toys ─────────────────────────────────┘
#
# One run configuration, one folder results/<run>. Other configurations: --configfile FILE.

import glob
import os
import shlex
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.0")

# A fixed hash seed keeps the order of sums inside flavio, and so the bits of every result.
# The package's source is given to jobs whose own environment (conda) does not have it installed.
# (Threads and kernels of BLAS are pinned by the package, see malaphoric.arithmetic.)
os.environ.update(
    PYTHONHASHSEED="0",
    PYTHONPATH=os.pathsep.join(
        filter(None, [os.path.join(workflow.basedir, "workflow", "src"), os.getenv("PYTHONPATH")])
    ),
)

# Snakemake puts Python's path into shell commands without quotes: it may have spaces.
sys.executable = shlex.quote(sys.executable)

from malaphoric import store
from malaphoric.data.theory import check as check_draws
from malaphoric.workflow.configuration import AtlasConfiguration, check_file, configured
from malaphoric.workflow.recipes import recipes_of
from malaphoric.engines.running import check_tables
from malaphoric.schema import ConfigurationError

# not merged with another configuration: a key left out has its documented default
if not workflow.config_settings.configfiles:

    configfile: "config/config.yaml"


# neither a dry run nor a job of a run that has started
STARTS = workflow.is_main_process and not workflow.output_settings.dryrun

try:
    if len(workflow.configfiles) > 1:  # Snakemake would merge them
        raise ConfigurationError(
            f"--configfile: {len(workflow.configfiles)} files are not accepted; accepted: one"
        )
    for file in workflow.configfiles:
        # Snakemake takes the last of two equal keys, and executes templates
        check_file(file)
    RUN = configured(config, ", ".join(map(str, workflow.configfiles)))
    ATLAS = isinstance(RUN, AtlasConfiguration)
    if ATLAS or RUN["engine"] == "compiled":
        check_tables()
    if RUN.selection.extra:
        check_draws()
    if STARTS and not ATLAS:  # imports matplotlib, half a second
        RUN.model.check_latex()
        for note in [*RUN.remarks, *RUN.grid.notes]:
            print(note, file=sys.stderr)
    RECIPES = recipes_of(RUN)
except (ConfigurationError, store.StoreError) as error:
    raise WorkflowError(str(error))

OUT = f"results/{RUN['run']}"
STARTED = time.time()

if os.path.exists(OUT) and not os.path.isdir(OUT):
    raise WorkflowError(f"{os.path.abspath(OUT)}: this is no folder, so that the run has no place")

# Before any job, not when the first one has computed what it cannot write.
if STARTS:
    for folder in [".", "results", *glob.glob(f"{OUT}/**/", recursive=True)]:
        if os.path.exists(folder) and not os.access(folder, os.W_OK):
            raise WorkflowError(f"{os.path.abspath(folder)}: this folder cannot be written to")


report: "workflow/report/workflow.rst"


wildcard_constraints:
    chunk="[0-9a-f]{16}-[0-9]+-[0-9]+",
    number="[0-9]+",
    mass="[0-9]+",


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"

if ATLAS:

    include: "workflow/rules/atlas.smk"

else:

    include: "workflow/rules/compile.smk"
    include: "workflow/rules/theory.smk"
    include: "workflow/rules/scan.smk"
    include: "workflow/rules/statistics.smk"
    include: "workflow/rules/figures.smk"
    include: "workflow/rules/masses.smk"
    include: "workflow/rules/page.smk"


include: "workflow/rules/archive.smk"

PAGE = f"{OUT}/index.html"


rule all:
    input:
        results(),
        rules.record.output,
        PAGE,
    default_target: True
    localrule: True


onsuccess:
    # only of a run that came to its end just now, not of single files asked for
    if os.path.exists(PAGE) and os.path.getmtime(PAGE) >= STARTED:
        from malaphoric.report import summary

        if ATLAS:
            from malaphoric.atlas import ranking

            found, known, _ = ranking.load(f"{OUT}/ranking.h5")
            about, lines = (ranking.said(found, known),), summary.of_atlas
        else:
            from malaphoric.inference.results import Fits, ScanResult

            found = Fits.read(f"{OUT}/best_fit.json"), ScanResult.read(f"{OUT}/best_grid.json")
            about, lines = (*found, RUN["confidence_levels"][1]), summary.lines
        said = lines(*about, RUN.check, Path(PAGE), time.time() - STARTED)
        print("\n".join(said), file=sys.stderr)
