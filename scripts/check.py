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
    # the record knows the machine, the exact check where the best fit was when it was made
    files = [path for path in files if path.stem != "record" and path.parent.name != "validation"]
    for path in files:
        name = path.relative_to(folder)
        said, agrees = archive.compare(path, name)
        identical, good = identical + (said == "identical"), good + agrees
        if said != "identical":
            print(f"{name}: {said}")
    print(f"{identical} of {len(files)} files are identical, {good} agree")
    return int(good < len(files))


if __name__ == "__main__":
    sys.exit(main())
