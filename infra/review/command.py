"""`headroom review`: the comment on a pull request."""

from __future__ import annotations

import gc
import json
import signal
from pathlib import Path

import click

CODES = """Exit code: 0 where nothing needs attention; otherwise that of the worst reason.

\b
10  increase   a stack's cost rises above the limits
11  over-band  a stack goes over its budget band, or is over it and becomes dearer
12  unpriced   something new has a cost that nobody knows
13  policy     a mandatory policy is broken
14  growth     a step to the next phase that was safe would lose something
15  stateful   what holds data would be replaced or deleted, or AWS would refuse
16  broken     a stack cannot be planned any more
"""


@click.command(epilog=CODES)
@click.option("--base", required=True, help="Branch or commit that the change goes to.")
@click.option("--head", help="Commit of the change; the working tree as it is unless given.")
@click.option("--output", type=click.Path(path_type=Path), help="File for the comment (Markdown); else it is printed.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="File for the same as JSON.")
def command(base: str, *, head: str | None, output: Path | None, json_file: Path | None) -> None:
    """Compare every stack with what it is at the commit where the change left BASE.

    Both sides run their own code, in this machine's Python: review only what you would run.
    """
    gc.disable()  # As in `headroom plan`: the process ends before anything would have to be collected.
    # A cancelled job ends as Ctrl-C does: processes end and worktrees go.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from infra.config import ROOT
    from infra.review import comment, limits, report
    from infra.review.compare import compare
    from infra.review.planning import plan_sides
    from infra.review.rules import violations
    from infra.review.trees import checked_out, fork

    left, tip = fork(ROOT, base, head)
    with checked_out(ROOT, left) as before, checked_out(ROOT, tip) as after:
        wanted = limits.read(after.path)
        old, new = plan_sides([before, after], ROOT / ".headroom" / "review")
        review = compare(old, new, wanted, tuple(violations(old, new)))
    if json_file is not None:
        json_file.write_text(json.dumps(report.to_dict(review), indent=2) + "\n", encoding="utf-8")
    if output is not None:
        output.write_text(comment.text(review), encoding="utf-8")
        for line in comment.headlines(review):
            click.echo(line)
    else:
        click.echo(comment.text(review))
    if review.exit_code:
        raise click.exceptions.Exit(review.exit_code)
