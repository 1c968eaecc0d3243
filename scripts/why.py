"""Say in a sentence per rule why it would run: python scripts/why.py [CONFIGURATION]."""

import heapq
import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from malaphoric.schema import load_yaml
from malaphoric.workflow.configuration import AtlasConfiguration, Configuration, configured
from malaphoric.workflow.recipes import recipes_of

_SNAKEFILE = Path(__file__).resolve().parents[1] / "Snakefile"

#: Snakemake's reasons, and ours.
_REASONS = (
    ("Missing output files: ", "is not there: "),
    ("Incomplete output files: ", "was interrupted: "),
    ("Updated input files: ", "input has changed: "),
    ("Input files updated by another job: ", "input is remade: "),
    ("Params have changed", ""),  # said in other words, from the recipes
    ("Set of input files has changed", "other input files than last time"),
    ("Code has changed", "its script has changed"),
    ("Forced execution", "was asked for"),
)


#: Names of recipes where they are not the rule's.
_RECIPES = {
    "chunk": "chunk-0",
    "extra_running": "running-extra",
}


#: Logs of rules that have several jobs; how long exact points take depends on which are kept.
_LOGS = {"chunk": "chunks/*", "atlas_chunk": "chunks/*", "mass": "masses/*"}
_EXACT = ("exact_points", "papers_points", "exact_models")

#: Seconds that Snakemake takes to start, and a job of its.
_SNAKEMAKE, _START = 3, 1

#: Settings that follow from others, which are named, or from the code.
_FOLLOWS = ("layer", "layers", "theory", "exact_theory", "configuration", "recipes", "chunks")
_FOLLOWS += ("papers", "papers_data", "check", "note")


@dataclass(frozen=True)
class Job:
    """What a dry run says of a job."""

    rule: str
    reason: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def jobs(text: str) -> list[Job]:
    """All jobs in the output of a dry run."""
    found = []
    blocks = re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):\n((?:    .*\n)*)", text, re.M)
    for rule, block in blocks:
        said = dict(re.findall(r"^    (input|output|reason): (.*)$", block, re.M))
        files = (tuple(said.get(key, "").split(", ")) for key in ("input", "output"))
        found.append(Job(rule, said.get("reason", ""), *files))
    return found


def flat(data: object, path: str = "") -> dict[str, object]:
    """Nested mappings, and lists of what has names, as one mapping with dotted keys."""
    if isinstance(data, list) and data and all(isinstance(x, dict) and "name" in x for x in data):
        data = {x["name"]: {k: v for k, v in x.items() if k != "name"} for x in data}
    if not isinstance(data, dict):
        return {path: data}
    result = {}
    for key, value in data.items():
        result |= flat(value, f"{path}.{key}" if path else str(key))
    return result


def differences(old: dict, new: dict) -> list[str]:
    """Sentences on what differs between two mappings of plain data."""
    sides = flat(old), flat(new)
    said = []
    for key in sorted({*sides[0], *sides[1]}):
        before, now = (side.get(key, "unset") for side in sides)
        if before != now:
            said.append(f"{key} was {before}, is {now}")
    return said


def changed(old: dict, new: dict) -> list[str]:
    """Sentences on what of a job's recipe has changed, apart from its inputs."""
    sides = [{k: v for k, v in r["settings"].items() if k not in _FOLLOWS} for r in (old, new)]
    said = differences(*sides) + differences(old["versions"], new["versions"])
    if old["files"] != new["files"]:
        said.append("a data file has changed")
    if old["code"] != new["code"]:
        said.append("the package's code has changed")
    if not said and old["settings"] != new["settings"]:
        said.append("what its inputs are made from has changed")
    return said


def sentence(reason: str) -> str:
    """A reason of Snakemake's in our words."""
    parts = []
    for part in reason.split("; "):
        for theirs, ours in _REASONS:
            if part.startswith(theirs):
                files = part.removeprefix(theirs) if ours.endswith(" ") else ""
                names = [Path(name).name for name in files.split(", ") if _is_result(name)]
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                part = ours + ", ".join(names[:3]) + more if names or not files else ""
        parts.append(part)
    return "; ".join(filter(None, parts))


def _is_result(name: str) -> bool:
    """Whether a file is not the recipe, of which more is said in other words."""
    return bool(name) and not name.startswith(".snakemake/")


def recorded(run: Configuration | AtlasConfiguration) -> dict[str, dict]:
    """Recipes by which the run was last made, in the record that it wrote at its end."""
    try:
        text = Path("results", run["run"], "record.json").read_text(encoding="utf-8")
        return json.loads(text)["recipes"]
    except (OSError, ValueError, KeyError):
        return {}


def seconds(folder: Path, counts: dict[str, int]) -> dict[str, float]:
    """How long a job of each rule took when it last ran, by the ends of logs.

    Rules without one are left out, and exact points, which are kept.
    """
    found = {}
    for rule, number in counts.items():
        logs = sorted(folder.glob(f"{_LOGS.get(rule, rule)}.log"), key=lambda p: p.stat().st_mtime)
        texts = (log.read_text(encoding="utf-8") for log in logs[-number:])
        ends = [re.search(r"\((\d+) s\)\s*$", text) for text in texts]
        known = [int(end[1]) for end in ends if end]
        if known and rule not in _EXACT:
            found[rule] = sum(known) / len(known) + _START
    return found


def figures_after(found: list[Job], known: dict[str, float], cores: int) -> float | None:
    """Seconds until all figures are there, as each job begins once its inputs and a core are there.

    None without figures, or if it is not known how long a job before them takes.
    """
    makers = {file: job for job in found for file in job.outputs}
    before: dict[Job, set[Job]] = {}
    wanted = [job for job in found if any("/figures/" in file for file in job.outputs)]
    while wanted:
        job = wanted.pop()
        if job not in before:
            before[job] = {makers[file] for file in job.inputs if file in makers}
            wanted += before[job]
    if not before or not {job.rule for job in before} <= set(known):
        return None
    free, ends = [float(_SNAKEMAKE)] * cores, {}
    for job in TopologicalSorter(before).static_order():
        ready = max((ends[other] for other in before[job]), default=0.0)
        ends[job] = max(ready, heapq.heappop(free)) + known[job.rule]
        heapq.heappush(free, ends[job])
    return max(free)


def duration(folder: Path, found: list[Job], cores: int) -> str:
    """A sentence on how long jobs took when they last ran, and on when figures would be there."""
    counts = Counter(job.rule for job in found)
    known = seconds(folder, counts)
    if not known:
        return ""
    unknown = [rule for rule in counts if rule not in known and rule not in _EXACT]
    apart = [*unknown, *(["exact points"] if set(_EXACT) & set(counts) else [])]
    more = f", apart from {', '.join(apart)}" if apart else ""
    total = sum(known[rule] * counts[rule] for rule in known)
    said = f"When these jobs last ran they took {total:.0f} s together, on one core{more}."
    if after := figures_after(found, known, cores):
        said += f" New figures would be there after about {after:.0f} s on {cores} cores."
    return said


def main(configuration: str = "config/config.yaml") -> int:
    """Print the sentences; returns the exit status of the dry run."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--nocolor"]
    command += ["--snakefile", str(_SNAKEFILE)]
    run = subprocess.run(
        [*command, "--configfile", configuration], capture_output=True, text=True, check=False
    )
    if run.returncode:
        print(run.stdout, run.stderr, sep="\n", file=sys.stderr)
        return run.returncode
    found = [job for job in jobs(run.stdout + run.stderr) if job.rule != "all"]
    if not found:
        print("Nothing would run: everything is up to date.")
        return 0
    run = configured(load_yaml(Path(configuration)), configuration)
    old, new = recorded(run), {name: asdict(recipe) for name, recipe in recipes_of(run).items()}
    whole = "scan" if "scan" in new else "ranking"  # whose recipe has the configuration
    if not old:
        print(f"There is no complete run in results/{run['run']} yet.")
    elif said := differences(*(side[whole]["settings"]["configuration"] for side in (old, new))):
        print("Since the last run:", "; ".join(said) + ".\n")
    reasons: dict[str, list[str]] = {}
    for job in found:
        reasons.setdefault(job.rule, []).append(job.reason)
    for rule, (reason, *others) in reasons.items():
        name = _RECIPES.get(rule, rule)
        said = changed(old[name], new[name]) if name in old and name in new else []
        said = list(filter(None, [*said, sentence(reason)])) or ["its recipe has changed"]
        number = f" ({len(others) + 1} jobs)" if others else ""
        more = f"; {len(others)} similar" if others else ""
        print(f"{rule}{number}: {'; '.join(said)}{more}")
    logs = Path("results", run["run"], "logs")
    if said := duration(logs, found, os.cpu_count() or 1):
        print(f"\n{said}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
