"""Say in a sentence per rule why it would run: python scripts/why.py [CONFIGURATION]."""

import json
import re
import subprocess
import sys
from pathlib import Path

from malaphoric import store
from malaphoric.configuration import Configuration, load_configuration
from malaphoric.schema import ROOT

_PARAMS = re.compile(r"Params have changed.*?: before: (.*?) now: (.*)$")
_TEXT = re.compile(r"'((?:[^'\\]|\\.)*)'")

#: Snakemake's reasons, and ours.
_REASONS = (
    ("Missing output files: ", "has never been made: "),
    ("Incomplete output files: ", "was interrupted: "),
    ("Updated input files: ", "input has changed: "),
    ("Input files updated by another job: ", "input is remade: "),
    ("Set of input files has changed", "other input files than last time"),
    ("Code has changed", "its script has changed"),
    ("Forced execution", "was asked for"),
)


def jobs(text: str) -> dict[str, list[str]]:
    """Reasons of the jobs of every rule, from the output of a dry run."""
    found: dict[str, list[str]] = {}
    rule = None
    for line in text.splitlines():
        if match := re.match(r"(?:local)?(?:rule|checkpoint) (\w+):", line):
            rule = match[1]
        elif rule and line.startswith("    reason: "):
            found.setdefault(rule, []).append(line.removeprefix("    reason: "))
            rule = None
    return found


def flat(data: object, path: str = "") -> dict[str, object]:
    """Nested mappings as one, with dotted keys; texts of JSON are opened."""
    if isinstance(data, str) and data[:1] in ("{", "["):
        data = json.loads(data)
    if not isinstance(data, dict):
        return {path: data}
    result = {}
    for key, value in data.items():
        result |= flat(value, f"{path}.{key}" if path else str(key))
    return result


def changes(before: str, now: str) -> str:
    """What differs between the parameters of a rule."""
    sides = []
    for text in (before, now):
        values = [flat(value) for value in _TEXT.findall(text)]
        sides.append({k: v for value in values for k, v in value.items()})
    return "; ".join(differences(*sides)) or "parameters have changed"


def differences(old: dict, new: dict) -> list[str]:
    """Sentences on what differs between two flat mappings."""
    said = []
    for key in sorted({*old, *new}):
        if old.get(key) == new.get(key) or key == "additional":  # follows from data
            continue
        if key == "" or key.endswith("code") or key == "table":
            said.append(f"the package's {'table' if key == 'table' else 'code'} has changed")
        else:
            said.append(f"{key} was {old.get(key, 'unset')}, is {new.get(key, 'unset')}")
    return list(dict.fromkeys(said))


def sentence(reason: str) -> str:
    """A reason of Snakemake's in our words."""
    if match := _PARAMS.search(reason):
        rest = reason[: match.start()].strip("; ")
        said = changes(match[1], match[2])
        return f"{sentence(rest)}; {said}" if rest else said
    parts = []
    for part in reason.split("; "):
        for theirs, ours in _REASONS:
            if part.startswith(theirs):
                files = part.removeprefix(theirs) if ours.endswith(" ") else ""
                names = [Path(name).name for name in files.split(", ") if name]
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                part = ours + ", ".join(names[:3]) + more
        parts.append(part)
    return "; ".join(parts)


def since_last(run: Configuration) -> list[str]:
    """What of the configuration and the theory is another than in the run's last scan."""
    path = Path("results") / run["run"] / "scan.h5"
    if not path.exists():
        return [f"there is no {path} yet"]
    with store.read(path) as file:
        old = {k: v for n in ("theory", "configuration") for k, v in flat(file.attrs[n]).items()}
    return differences(old, flat(run.layers()[-1]) | flat(run.record))


def main(configuration: str = "config/config.yaml") -> int:
    """Print the sentences; returns the exit status of the dry run."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--nocolor"]
    command += ["--snakefile", str(ROOT / "Snakefile")]
    run = subprocess.run(
        [*command, "--configfile", configuration], capture_output=True, text=True, check=False
    )
    if run.returncode:
        print(run.stdout, run.stderr, sep="\n", file=sys.stderr)
        return run.returncode
    found = jobs(run.stdout + run.stderr)
    found.pop("all", None)
    if not found:
        print("Nothing would run: everything is up to date.")
        return 0
    if said := since_last(load_configuration(configuration)):
        print("Since the last scan:", "; ".join(said) + ".\n")
    for rule, reasons in found.items():
        number = f" ({len(reasons)} jobs)" if len(reasons) > 1 else ""
        more = f"; {len(reasons) - 1} similar" if len(reasons) > 1 else ""
        print(f"{rule}{number}: {sentence(reasons[0])}{more}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
