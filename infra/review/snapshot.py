"""What the stacks of one tree would be, by that tree's own program; run by path, in a process of its own.

A commit to compare with may be older than the review. So this file uses of the tree it looks at only what every tree
that can be planned has: `infra.stack_file`, `infra.config.Settings` and `infra.plan.make_plan`.

`python -P snapshot.py TREE OUT STACK=NAME...` plans each STACK as if it had the name NAME, and writes OUT as JSON.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any


def main(tree: str, out: str, *jobs: str) -> None:
    """Plan each job; what fails is told in its place."""
    gc.disable()  # The process ends before anything would have to be collected.
    os.chdir(tree)
    sys.path.insert(0, tree)
    # Where this project is installed as editable, what the tree lacks would come from there.
    sys.meta_path[:] = [one for one in sys.meta_path if not str(one.__module__).startswith("__editable__")]
    found = {job: _planned(Path(tree), *job.split("=")) for job in jobs}
    # A path into the tree is another one in each worktree, and would look like a change.
    text = json.dumps(found).replace(json.dumps(f"{tree}/")[1:-1], "")
    Path(out).write_text(text, encoding="utf-8")


def _planned(tree: Path, stack: str, name: str) -> dict[str, Any]:
    try:
        from infra import stack_file
        from infra.config import Settings
        from infra.plan import make_plan

        stored = replace(stack_file.read(stack_file.path_of(stack, tree)), stack=name)
        plan = make_plan(stored)
        settings = Settings.parse(stored.raw, stack=name, encrypted=stored.encrypted)
    except Exception as error:  # noqa: BLE001 - whatever a commit's program does wrong is told in the comment
        return {"error": _told(error)}
    return {
        "phase": plan.phase,
        "sizes": settings.spec.model_dump(mode="json", by_alias=True),
        "usage": stored.raw.get("headroom:usage", "{}"),
        "exempted": stored.raw.get("headroom:exempted", "[]"),
        "environment": stored.raw.get("headroom:environment", "production"),
        "resources": [
            {
                "urn": one.urn,
                "type": one.type,
                "name": one.name,
                "parent": one.parent,
                "inputs": one.inputs,
                "options": one.options,
                "dependencies": one.dependencies,
                "property_dependencies": getattr(one, "property_dependencies", {}),
            }
            for one in plan.resources
        ],
    }


def _told(error: Exception) -> str:
    """A user's mistake as it tells itself; anything else with the place it comes from."""
    if type(error).__name__ == "UserError":
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    here = [frame for frame in frames if "site-packages" not in frame.filename and frame.filename != __file__]
    place = f" ({Path(here[-1].filename).name}:{here[-1].lineno})" if here else ""
    return f"{type(error).__name__}: {error}{place}"


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # As in `headroom plan`: taking the SDK's objects apart takes seconds, for nothing.
