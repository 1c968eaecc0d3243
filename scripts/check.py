"""Hold a repeated run against the exported one: python scripts/check.py, in an unpacked archive."""

import sys
from pathlib import Path

from malaphoric import archive


def main() -> int:
    """Print how every file compares; returns 0 if all agree, bit by bit or in their numbers."""
    folder = Path(archive.FOLDER)
    files = sorted(path for path in folder.glob("results/**/*") if path.is_file())
    if not files:
        print(f"{folder}/results holds no files: this is not an unpacked archive", file=sys.stderr)
        return 2
    identical = good = 0
    for path in files:
        if path.name == "record.json":  # knows the machine and the repository
            continue
        name = path.relative_to(folder)
        said, agrees = archive.compare(path, name)
        identical, good = identical + (said == "identical"), good + agrees
        if said != "identical":
            print(f"{name}: {said}")
    total = len(files) - sum(path.name == "record.json" for path in files)
    print(f"{identical} of {total} files are identical, {good} agree")
    return int(good < total)


if __name__ == "__main__":
    sys.exit(main())
