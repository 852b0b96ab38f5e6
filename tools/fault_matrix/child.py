"""`headroom up --local` with checkpoints, in a process that may be killed: `python -m tools.fault_matrix.child`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from infra.errors import UserError
from infra.local.stack import LocalStack
from tools.fault_matrix.shop import program

SHOP = "shop"


def stack(root: Path, name: str, what: str) -> LocalStack:
    """A stack of the small program, or of the product."""
    return LocalStack(name, root=root, program=program if what == SHOP else None, checkpoints=True)


def main() -> int:
    """Bring a stack up, and print what changed."""
    root, name, what = sys.argv[1:]
    try:
        outcome = stack(Path(root), name, what).up()
    except UserError as error:
        print(error)  # noqa: T201 - standard output is what the parent reads
        return error.exit_code
    print(json.dumps(outcome.to_dict()["changes"]))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
