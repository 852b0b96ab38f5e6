"""`headroom prices`: the price book against AWS's own list, and how old it is."""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from infra.cost.ages import Rest
    from infra.cost.book import Price
    from infra.cost.refresh import Finding

MANY: Final = 20
"""So many rows of a list are shown; `--json` has all."""
WIDTH: Final = 140
"""Of tables that go to a file or a pull request."""


@click.group()
def command() -> None:
    """The price book: read AWS's prices anew, and check how old the prices in use are."""


@command.command()
@click.option("--region", "wanted", multiple=True, help="Only this region; can be given more than once.")
@click.option("--write", is_flag=True, help="Put what AWS says into the book.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def refresh(wanted: tuple[str, ...], *, write: bool, as_json: bool) -> None:
    """Compare the book with AWS's Price List API, which takes credentials with pricing:GetProducts.

    Prices of other vendors, free allowances and what AWS's list does not say clearly are kept.
    """
    from infra.cost import book
    from infra.cost import refresh as refreshing
    from infra.cost.price_list import PriceList, client
    from infra.errors import UserError

    files = sorted(book.FOLDER.glob("*.csv"))
    prices = book.read(files).prices
    known = refreshing.regions(prices)
    strange = sorted(set(wanted) - set(known))
    if strange:
        msg = f"the book has no prices of {', '.join(strange)}"
        raise UserError(msg, [f"it knows {', '.join(known)}"])
    findings = refreshing.compare(prices, set(wanted or known), PriceList(client()))
    written = [file.name for file in refreshing.write(files, findings, today())] if write else []
    if as_json:
        click.echo(json.dumps({"findings": [_finding_dict(one) for one in findings], "written": written}, indent=2))
        return
    _show(findings)
    if write:
        click.echo(f"written: {', '.join(written) or 'nothing, the book says so already'}")
    else:
        click.echo("nothing was written: that takes --write")


def _finding_dict(finding: Finding) -> dict[str, Any]:
    return {
        "key": finding.price.key,
        "region": finding.price.region,
        "above": float(finding.price.above),
        "found": finding.found.value,
        "oldUsd": float(finding.price.usd),
        "newUsd": None if finding.usd is None else float(finding.usd),
        "change": None if finding.change is None else float(finding.change),
        "note": finding.note,
    }


def _show(findings: Sequence[Finding]) -> None:
    from infra.cost.refresh import Found

    changed = [one for one in findings if one.found is Found.CHANGED]
    if changed:
        _table(
            ("price", "region", "old USD", "new USD", "change"),
            [
                (_name(one.price), one.price.region, f"{one.price.usd:f}", _usd(one.usd), _percent(one.change))
                for one in changed
            ],
        )
    kept = [one for one in findings if one.found is Found.KEPT]
    if kept:
        click.echo("kept, since AWS's list does not say them clearly:")
        _table(("price", "region", "why"), [(_name(one.price), one.price.region, one.note) for one in kept[:MANY]])
        _more(kept)
    count = Counter(one.found for one in findings)
    click.echo(
        f"{count[Found.CHANGED]} changed, {count[Found.SAME]} the same, {count[Found.KEPT]} kept, "
        f"{count[Found.ELSEWHERE]} not looked up there"
    )


def _name(price: Price) -> str:
    return f"{price.key} above {price.above:f}" if price.above else price.key


def _usd(usd: Decimal | None) -> str:
    return "" if usd is None else f"{usd.normalize():f}"


def _percent(change: Decimal | None) -> str:
    return "new" if change is None else f"{change:+.1%}"


@command.command()
@click.argument("stacks", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def check(stacks: tuple[str, ...], *, as_json: bool) -> None:
    """Say how old the prices are that STACKS (all, unless given) rest on.

    Only rows that a stack's estimate uses count, by the day that their source states. Exit code 1 when a row is more
    than 365 days old; from 90 days on it is told. Rows without a day are unconfirmed, not old.
    """
    gc.disable()  # As in `headroom plan`: the process ends before anything would have to be collected.
    from infra import stack_file
    from infra.config import ROOT
    from infra.cost.ages import Age, rest
    from infra.cost.estimate import estimate
    from infra.cost.source import of_plan
    from infra.cost.usage import Level, Usage

    found: dict[str, Rest] = {}
    names = stacks or [stack_file.stack_of(path) for path in ROOT.glob("Pulumi.*.yaml")]
    sources = [of_plan(stack_file.read(stack_file.path_of(name, ROOT))) for name in names]
    for source in sorted(sources, key=lambda one: (one.phase.targets.monthly_users, one.stack)):
        lines = estimate(source.resources, Usage(source.phase, Level.EXPECTED, source.usage)).lines
        found[source.stack] = rest(lines, today())
    if as_json:
        click.echo(json.dumps({name: _rest_dict(one) for name, one in found.items()}, indent=2))
    else:
        _show_ages(found)
    if any(one.rows[Age.OLD] for one in found.values()):
        raise click.exceptions.Exit(1)


def _rest_dict(found: Rest) -> dict[str, Any]:
    from infra.cost.ages import Age

    return {
        "monthlyUsd": float(found.total),
        "ages": {
            one.value: {"prices": len(found.rows[one]), "monthlyUsd": float(found.usd[one])} for one in found.rows
        },
        "old": [
            {
                "key": price.key,
                "region": price.region,
                "date": str(price.date),
                "monthlyUsd": float(found.resting[price]),
            }
            for price in found.rows[Age.OLD]
        ],
    }


def _show_ages(found: Mapping[str, Rest]) -> None:
    from infra.cost.ages import AGEING_DAYS, OLD_DAYS, Age

    names = {
        Age.CURRENT: f"up to {AGEING_DAYS} days",
        Age.UNDATED: "without a day",
        Age.AGEING: f"over {AGEING_DAYS} days",
        Age.OLD: f"over {OLD_DAYS} days",
    }
    _table(
        ("stack", *names.values()),
        [
            (stack, *(f"{one.share(age):.0%} on {len(one.rows[age])} prices" for age in names))
            for stack, one in found.items()
        ],
    )
    resting: dict[Price, Decimal] = {}
    for one in found.values():
        for price in one.rows[Age.OLD]:
            resting[price] = max(resting.get(price, Decimal(0)), one.resting[price])
    old = sorted(resting, key=lambda price: (-resting[price], price.key, price.region))
    if not old:
        click.echo(f"no price in use is over {OLD_DAYS} days old")
        return
    click.echo(f"over {OLD_DAYS} days old:")
    _table(
        ("price", "region", "day", "USD a month on it", "source"),
        [(_name(price), price.region, str(price.date), f"{resting[price]:,.2f}", price.source) for price in old[:MANY]],
    )
    _more(old)
    click.echo("`headroom prices refresh --write` reads AWS's anew; look the others up by hand")


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, *cells in zip(titles, *rows, strict=True):
        # What is longest stands last, and alone is cut where there is no room.
        widest = max(map(len, (title, *cells)))
        table.add_column(title, no_wrap=True, min_width=0 if title == titles[-1] else widest)
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(emoji=False)
    if not console.is_terminal:
        console = Console(emoji=False, width=WIDTH)
    console.print(table)


def _more(rows: Sequence[object]) -> None:
    if len(rows) > MANY:
        click.echo(f"and {len(rows) - MANY} more (--json has all)")


def today() -> date:
    """The day, in UTC: the one place that looks at the clock."""
    return datetime.now(UTC).date()
