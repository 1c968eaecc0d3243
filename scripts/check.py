"""Hold a repeated run against the exported one: python scripts/check.py, in an unpacked archive."""

import sys

from malaphoric.schema import ConfigurationError
from malaphoric.store import StoreError
from malaphoric.workflow import archive


def main() -> int:
    """Print how files compare; returns 0 if all agree, 1 if not, 2 if this is no archive."""
    try:
        lines, good = archive.check()
    except (ConfigurationError, StoreError) as error:
        print(f"this is not an unpacked archive: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
