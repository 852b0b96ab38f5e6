"""The comment: what it says first, what it leaves out, and that GitHub always takes it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from infra.plan import SECRET
from infra.review import comment
from infra.review.compare import compare
from infra.review.limits import Limits
from infra.review.markdown import LIMIT
from infra.review.model import Review, Violation
from infra.review.planning import Broken
from infra.review.report import to_dict
from stacks.phase import PhaseName
from tests.growth.conftest import made
from tests.review.conftest import METER, NEW, PRICES, QUEUE, server, side, stack, tree

Trees = tuple[Path, Path]
FIRST = made(QUEUE, "orders", {"fifoQueue": False})
SECOND = made(QUEUE, "orders", {"fifoQueue": True})


def review(trees: Trees, before: list[Any], after: list[Any], limits: Limits | None = None) -> Review:
    base, head = trees
    old, new = side(base, [stack("10k", before)], commit="a" * 40), side(head, [stack("10k", after)])
    return compare(old, new, limits or Limits())


def text(*args: Any) -> str:
    return comment.text(review(*args))


def sections(written: str) -> list[str]:
    return [line.removeprefix("### ") for line in written.splitlines() if line.startswith("### ")]


def test_the_first_line_is_the_marker_to_find_it_by(trees: Trees) -> None:
    assert text(trees, [], []).startswith("<!-- headroom-review -->\n## Headroom review\n")


def test_a_change_without_effect_has_a_short_comment(trees: Trees) -> None:
    written = text(trees, [server()], [server()])

    assert "- Nothing needs attention.\n- The estimate of no stack changes.\n" in written
    assert sections(written) == []
    assert "<details>" not in written
    assert "Compared aaaaaaaaaaaa with the working tree." in written
    assert "| **10k** |  |  |  |  | 73.00 | 73.00 | 0.00 | 600 to 800 | 727.00 | below the band |" in written


def test_what_must_not_happen_stands_above_everything_else(trees: Trees) -> None:
    written = text(trees, [FIRST, server()], [SECOND, server(size="large"), made(NEW, "n")])

    assert sections(written) == [
        "This must not happen",
        "Nobody knows what these cost",
        "What moves the cost most",
    ]
    assert written.index("This must not happen") < written.index("| stack | create |")
    assert (
        "- **sqs.Queue** would be replaced for fifoQueue: messages that nobody has handled yet. `orders` (10k)"
        in written
    )
    assert "**What holds data would be lost, or AWS would refuse**: 10k (1 reasons below)." in written
    assert "**Cost unknown** in 10k: `aws:fake/novelty:Novelty`." in written
    assert "**Dearer by more than 100 USD or 10 %**: 10k." in written
    assert "| 10k | +146.00 | fake.Server `web` | `size: small -> large` |" in written
    assert "at least 219.00 | +146.00 (+200.0 %) and unknown |" in written


def test_the_same_reason_in_several_stacks_is_one_line(trees: Trees) -> None:
    base, head = trees
    before = [replace(stack(name, [FIRST, replace(FIRST, name="b", urn=f"{FIRST.urn}b")])) for name in ("10k", "50k")]
    after = [replace(stack(name, [SECOND, replace(SECOND, name="b", urn=f"{FIRST.urn}b")])) for name in ("10k", "50k")]

    written = comment.text(compare(side(base, before), side(head, after), Limits()))

    assert written.count("messages that nobody has handled yet") == 1
    assert "`orders` (10k, 50k), `b` (10k, 50k)" in written


def test_alike_changes_share_a_line_and_tags_are_counted(trees: Trees) -> None:
    before = [server(f"s{number}") for number in range(5)]
    after = [server(f"s{number}", "large") for number in range(5)]
    tagged = [made(METER, "m", {"tags": {"a": "1"}})], [made(METER, "m", {"tags": {"a": "2"}})]

    written = text(trees, before + tagged[0], after + tagged[1])

    assert "<details><summary>10k: 6 changes</summary>" in written
    assert "- update 5 fake.Server: `size: small -> large` (`s0`, `s1`, `s2`, 2 more)" in written
    assert "- update 1: tags only" in written
    assert "| **10k** |  | 5 |  |  |" in written


def test_prices_and_design_are_told_apart(tmp_path: Path) -> None:
    trees = tree(tmp_path / "base", PRICES), tree(tmp_path / "head", {**PRICES, "server/small": "0.20"})

    written = text(trees, [server()], [server()])

    assert "The estimate of no stack changes." in written
    assert "The same design as before, at the new prices (USD a month): 10k +73.00." in written
    assert "| `server/small` | global | hour | 0.10 | 0.20 | +100.0 % |" in written


def test_prices_that_nobody_changed_are_no_section(trees: Trees) -> None:
    assert "Prices" not in sections(text(trees, [server()], [server(size="large")]))


def test_growing_is_a_section_only_where_its_verdict_changes(trees: Trees) -> None:
    base, head = trees
    small, same = stack("10k", [FIRST]), stack("50k", [FIRST], PhaseName.P50K)
    other = stack("50k", [SECOND], PhaseName.P50K)

    broke = comment.text(compare(side(base, [], [small, same]), side(head, [], [small, other]), Limits()))
    mended = comment.text(compare(side(base, [], [small, other]), side(head, [], [small, same]), Limits()))
    stays = comment.text(compare(side(base, [], [small, other]), side(head, [], [small, other]), Limits()))

    assert "- 10k to 50k: **not safe**, and was: Queue orders would be replaced for fifoQueue" in broke
    assert "- **Growing is not safe any more**: 10k to 50k." in broke
    assert "- 10k to 50k: safe, and was not" in mended
    assert sections(stays) == []


def test_policies_are_a_section_only_where_one_is_broken(trees: Trees) -> None:
    base, head = trees
    broken = [Violation("10k", "better so", is_mandatory=False), Violation("10k", "never so", is_mandatory=True)]

    written = comment.text(compare(side(base, []), side(head, []), Limits(), broken))

    assert written.index("- **mandatory**, 10k: never so") < written.index("- advisory, 10k: better so")
    assert "**Mandatory policies broken** 1 times: 10k." in written


def test_a_side_that_cannot_be_planned_is_told_with_its_own_words(trees: Trees) -> None:
    base, head = trees
    why = "stack 10k has 1 problem\n  - headroom:owner is missing"

    written = comment.text(compare(side(base, [Broken("10k", why)]), side(head, [stack("10k", [])]), Limits()))
    worse = comment.text(compare(side(base, [stack("10k", [])]), side(head, [Broken("10k", why)]), Limits()))

    assert "### 10k cannot be planned before the change\n\n    stack 10k has 1 problem\n" in written
    assert "nothing to compare with" in written
    assert "### 10k cannot be planned after the change" in worse
    assert "**Cannot be planned any more**: 10k." in worse


def test_stacks_that_come_and_go_are_named(trees: Trees) -> None:
    base, head = trees

    written = comment.text(compare(side(base, [stack("old", [])]), side(head, [stack("new", [server()])]), Limits()))

    assert "| **new** | 1 |  |  |  | 0.00 | 73.00 | +73.00 |" in written
    assert "new stack; below the band |" in written
    assert "its file goes; what is deployed stays until it is destroyed |" in written


def test_a_total_that_is_only_inside_while_it_is_quiet_says_so(trees: Trees) -> None:
    found = review(trees, [], [server(f"s{number}", "large") for number in range(3)])
    (one,) = found.stacks
    busy = replace(one, cost=replace(one.cost, busy_usd=Decimal(900)))

    assert "| inside; over at high usage: 900.00 |" in comment.text(replace(found, stacks=(busy,)))


def test_a_secret_never_shows(trees: Trees) -> None:
    before, after = server(password=SECRET), server(size="large", password="hunter2")

    written = text(trees, [before, after], [after, before])

    assert "password" in written
    assert "hunter2" not in written


def test_a_huge_change_fits_and_says_what_was_cut(trees: Trees) -> None:
    def queues(fifo: bool) -> list[Any]:
        return [
            made(QUEUE, f"queue-{'x' * 80}-{number}", {"fifoQueue": fifo, f"input{number}": str(fifo)})
            for number in range(3_000)
        ]

    written = text(trees, queues(fifo=False), queues(fifo=True))

    assert len(written.encode()) < LIMIT
    assert "2,990 more" in written
    assert "(Cut, as GitHub takes no longer comment:" in written
    assert written.count("<details>") == written.count("</details>") == 1


def test_hundreds_of_stacks_and_prices_fit(tmp_path: Path) -> None:
    prices = {f"server/{'y' * 60}{number}": "1" for number in range(2_000)}
    dearer = dict.fromkeys(prices, "2")
    base, head = tree(tmp_path / "base", {**PRICES, **prices}), tree(tmp_path / "head", {**PRICES, **dearer})
    names = [f"team-{number}" for number in range(300)]
    before = [stack(name, [FIRST, server()]) for name in names]
    after = [stack(name, [SECOND, server(size="large")]) for name in names]

    written = comment.text(compare(side(base, before), side(head, after), Limits()))

    assert len(written.encode()) < LIMIT
    assert "The JSON has them all.)" in written
    assert written.count("<details>") == written.count("</details>")
    assert "| **team-0** |" in written


def test_names_from_a_pull_request_mention_nobody(trees: Trees) -> None:
    base, head = trees
    planted = [made("aws:fake/@everyone:Thing", "<!-- x --> @team `code`")]

    written = comment.text(
        compare(side(base, [stack("10k", [])]), side(head, [stack("10k", planted), Broken("b", "@team")]), Limits())
    )

    assert "| @" not in written
    assert " @everyone" not in written
    assert "`aws:fake/@everyone:Thing`" in written


def test_the_age_of_prices_is_one_line_over_all_stacks(trees: Trees) -> None:
    base, head = trees
    stacks = [stack("10k", [server()]), stack("50k", [server(size="large")])]

    def read(days: int) -> Review:
        """The review, of prices read so many days ago."""
        day = datetime.now(tz=UTC).date() - timedelta(days=days)
        for book in head.rglob("*.csv"):
            book.write_text(re.sub(r"\d{4}-\d\d-\d\d", f"{day}", book.read_text()), encoding="utf-8")
        return compare(side(base, []), side(head, stacks), Limits())

    new, old = read(days=1), read(days=400)

    assert "older than" not in comment.text(new)
    (told,) = [line for line in comment.text(old).splitlines() if "older than" in line]
    assert told.startswith("Note: of all stacks together, 100% of the total rests on 2 prices older than 365 days; ")
    assert old.aged in to_dict(old)["notes"]
