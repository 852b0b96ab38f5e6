"""Two sides, compared: what is told of stacks, costs, prices and growing, and what needs attention."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.cost.model import State
from infra.errors import UserError
from infra.growth.guard import Action
from infra.plan import SECRET
from infra.review.compare import compare
from infra.review.limits import Limits, Reason
from infra.review.model import Presence, Review, StackReview, Violation
from infra.review.planning import Broken, Planned
from infra.review.pricing import Verdict
from infra.review.report import to_dict
from stacks.phase import PhaseName
from tests.growth.conftest import made
from tests.review.conftest import METER, NEW, PRICES, QUEUE, SERVER, server, side, stack, tree

Trees = tuple[Path, Path]
DEAR = Limits(increase_usd=Decimal(1_000), increase_percent=Decimal(1_000))
ELEVEN = [server(f"web-{number}", "large") for number in range(11)]


def review(trees: Trees, before: list[Any], after: list[Any], limits: Limits = DEAR) -> Review:
    """The review of a 10k stack; `before` and `after` are its resources."""
    base, head = trees
    return compare(side(base, [stack("10k", before)]), side(head, [stack("10k", after)]), limits)


def only(found: Review) -> StackReview:
    (one,) = found.stacks
    return one


def test_nothing_is_told_of_what_stays_the_same(trees: Trees) -> None:
    found = review(trees, [server()], [server()])

    assert only(found).presence is Presence.COMPARED
    assert not only(found).growth.operations
    assert only(found).cost.delta_usd == 0
    assert not found.reasons
    assert found.exit_code == 0


def test_a_dearer_input_is_the_driver_with_both_values(trees: Trees) -> None:
    found = only(review(trees, [server(), server("b")], [server(size="large"), server("b", "large")]))

    assert (found.cost.before_usd, found.cost.after_usd) == (Decimal("146.00"), Decimal("438.00"))
    assert found.cost.percent == 200
    (driver,) = found.drivers
    assert (driver.delta_usd, driver.kind, driver.names) == (Decimal("292.00"), "fake.Server", ("web", "b"))
    assert driver.moved == ("size: small -> large",)


def test_what_comes_and_goes_is_a_driver_in_both_directions(trees: Trees) -> None:
    found = only(review(trees, [server("old")], [server("new", "large")]))

    assert [(one.delta_usd, one.moved) for one in found.drivers] == [
        (Decimal("219.00"), ("new",)),
        (Decimal("-73.00"), ("deleted",)),
    ]


def test_a_resource_that_follows_others_says_what_of_its_bill_changed(trees: Trees) -> None:
    meter = made(METER, "meter")
    found = only(review(trees, [server(), meter], [server(), server("b"), meter]))

    follows = next(one for one in found.drivers if one.kind == "fake.Meter")
    assert follows.moved == ("servers: 100 -> 200 hour",)


def test_what_only_stands_under_another_parent_is_no_driver(trees: Trees) -> None:
    moved = made(SERVER, "web", {"size": "small"}, parent="urn:pulumi:prod::headroom::headroom:a:B::b")

    assert only(review(trees, [server()], [moved])).drivers == ()


def test_five_drivers_are_kept_the_largest_first(trees: Trees) -> None:
    before = [server(f"s{number}", note=number) for number in range(8)]
    after = [server(f"s{number}", "large", note=-number) for number in range(8)]

    found = only(review(trees, before, after)).drivers

    assert len(found) == 5
    assert {one.delta_usd for one in found} == {Decimal("146.00")}


def test_secrets_and_long_values_show_only_where_they_are(trees: Trees) -> None:
    before = server(password=SECRET, policy="x" * 500)
    after = server(size="large", password="open", policy="y" * 500)

    (driver,) = only(review(trees, [before], [after])).drivers

    assert driver.moved == ("size: small -> large", "password", "policy")


def test_replacing_what_holds_data_is_the_worst_of_what_can_be_planned(trees: Trees) -> None:
    found = review(trees, [made(QUEUE, "q", {"fifoQueue": False})], [made(QUEUE, "q", {"fifoQueue": True})])

    assert [one.action for one in only(found).growth.operations] == [Action.REPLACE]
    assert found.reasons[Reason.STATEFUL] == ("10k",)
    assert found.exit_code == Reason.STATEFUL.exit_code == 15


def test_a_new_type_without_a_price_is_named_and_makes_the_total_unknown(trees: Trees) -> None:
    found = review(trees, [server()], [server(), made(NEW, "n")])

    (unknown,) = only(found).unknown
    assert (unknown.type, unknown.state) == (NEW, State.UNPRICED)
    assert only(found).cost.verdict is Verdict.UNKNOWN
    assert found.exit_code == Reason.UNPRICED.exit_code


def test_what_had_no_price_before_is_not_new(trees: Trees) -> None:
    found = review(trees, [made(NEW, "n")], [made(NEW, "n")])

    assert only(found).unknown == ()
    assert only(found).cost.unpriced == only(found).cost.unpriced_before == 1
    assert found.exit_code == 0


def test_what_needs_usage_is_told_and_fails_nothing(trees: Trees) -> None:
    found = review(trees, [made(METER, "m")], [made(METER, "m", {"calls": True})])

    assert [one.state for one in only(found).unknown] == [State.NEEDS_USAGE]
    assert found.exit_code == 0


@pytest.mark.parametrize(
    ("count", "verdict"), [(1, Verdict.BELOW), (3, Verdict.INSIDE), (4, Verdict.OVER), (10, Verdict.OVER)]
)
def test_the_expected_cost_is_held_against_the_band_of_the_phase(trees: Trees, count: int, verdict: Verdict) -> None:
    cost = only(review(trees, [], ELEVEN[:count])).cost

    assert cost.band == (600, 800)
    assert cost.verdict is verdict
    assert cost.headroom_usd == 800 - 219 * count


def test_a_stack_that_was_over_its_band_may_become_cheaper(trees: Trees) -> None:
    assert review(trees, ELEVEN, ELEVEN[1:]).exit_code == 0
    assert review(trees, ELEVEN[1:], ELEVEN).exit_code == Reason.OVER_BAND.exit_code


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (DEAR, 0),
        (Limits(increase_usd=Decimal(145), increase_percent=Decimal(1_000)), 10),
        (Limits(increase_usd=Decimal(146), increase_percent=Decimal(1_000)), 0),
        (Limits(increase_usd=Decimal(1_000), increase_percent=Decimal(199)), 10),
        (Limits(increase_usd=Decimal(1_000), increase_percent=Decimal(200)), 0),
    ],
)
def test_a_rise_above_either_limit_needs_attention(trees: Trees, limits: Limits, code: int) -> None:
    assert review(trees, [server()], [server(size="large")], limits).exit_code == code
    assert review(trees, [server(size="large")], [server()], limits).exit_code == 0


def test_a_reason_that_the_limits_leave_out_is_told_and_fails_nothing(trees: Trees) -> None:
    found = review(trees, [], [made(NEW, "n")], replace_fail_on(Reason.STATEFUL))

    assert Reason.UNPRICED in found.reasons
    assert found.exit_code == 0
    assert to_dict(found)["reasons"][0]["fails"] is False


def replace_fail_on(*reasons: Reason) -> Limits:
    return DEAR.model_copy(update={"fail_on": reasons})


def test_prices_that_move_are_kept_apart_from_what_the_change_does(tmp_path: Path) -> None:
    dearer = {**PRICES, "server/small": "0.20", "server/huge": "9"}
    trees = tree(tmp_path / "base", PRICES), tree(tmp_path / "head", dearer)

    found = review(trees, [server()], [server(size="large")])

    cost = only(found).cost
    assert (cost.before_usd, cost.after_usd) == (Decimal("146.00"), Decimal("219.00"))
    assert cost.delta_usd == 73
    assert cost.drift_usd == 73
    assert [(one.key, str(one.old_usd), str(one.new_usd)) for one in found.prices] == [("server/small", "0.10", "0.20")]


def test_a_base_without_prices_has_no_drift(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()

    found = review((tmp_path / "base", tree(tmp_path / "head", PRICES)), [server()], [server()])

    assert only(found).cost.drift_usd == 0
    assert only(found).cost.delta_usd == 0
    assert found.prices == ()


def test_a_base_whose_prices_cannot_be_read_is_compared_at_the_head_s(tmp_path: Path) -> None:
    base = tree(tmp_path / "base", {"server/small": "none"})

    found = review((base, tree(tmp_path / "head", PRICES)), [server()], [server()])

    assert "price book is not used" in found.note
    assert only(found).cost.before_usd == 73


def test_prices_of_the_head_must_be_readable(tmp_path: Path) -> None:
    trees = tree(tmp_path / "base", PRICES), tree(tmp_path / "head", {"server/small": "none"})

    with pytest.raises(UserError, match="price book"):
        review(trees, [], [])


def test_a_stack_on_one_side_only_is_new_or_goes(trees: Trees) -> None:
    base, head = trees
    kept, gone, new = (stack(name, [server(), made(QUEUE, "q")]) for name in ("10k", "gone", "new"))

    found = compare(side(base, [kept, gone]), side(head, [kept, new]), DEAR)

    one, added, removed = found.stacks
    assert [each.presence for each in found.stacks] == [Presence.COMPARED, Presence.ADDED, Presence.REMOVED]
    assert [operation.action for operation in added.growth.operations] == [Action.CREATE] * 2
    assert (added.cost.before_usd, added.cost.after_usd) == (Decimal(0), Decimal(73))
    assert removed.growth.operations == ()
    assert (removed.cost.before_usd, removed.cost.after_usd) == (Decimal(73), Decimal(0))
    assert one.cost.delta_usd == 0
    assert found.exit_code == Reason.UNPRICED.exit_code  # of the new stack's queue


@pytest.mark.parametrize(
    ("before", "after", "presence", "code"),
    [
        (Broken("10k", "no"), stack("10k", [server()]), Presence.BASE_BROKEN, 0),
        (stack("10k", [server()]), Broken("10k", "no"), Presence.HEAD_BROKEN, 16),
        (Broken("10k", "no"), Broken("10k", "no"), Presence.HEAD_BROKEN, 16),
    ],
)
def test_a_side_that_cannot_be_planned_is_told(
    trees: Trees, before: Planned | Broken, after: Planned | Broken, presence: Presence, code: int
) -> None:
    base, head = trees

    found = compare(side(base, [before]), side(head, [after]), Limits())

    assert only(found).presence is presence
    assert "no" in only(found).why
    assert only(found).cost.delta_usd is None
    assert only(found).growth.operations == ()
    assert found.exit_code == code


def test_growing_is_judged_on_both_sides(trees: Trees) -> None:
    base, head = trees
    small, safe = stack("10k", [made(QUEUE, "q", {"fifoQueue": False})]), stack("50k", [], PhaseName.P50K)
    plain = replace(safe, resources=small.resources)
    fifo = replace(safe, resources=[made(QUEUE, "q", {"fifoQueue": True})])

    found = compare(side(base, [], [small, plain]), side(head, [], [small, fifo]), DEAR)
    back = compare(side(base, [], [small, fifo]), side(head, [], [small, plain]), DEAR)
    unknown = compare(side(base, [], [small, Broken("50k", "no")]), side(head, [], [small, fifo]), DEAR)

    assert found.reasons == {Reason.GROWTH: ("10k to 50k",)}
    assert found.ladder[0].changed
    assert back.ladder[0].changed
    assert not back.reasons
    assert not unknown.ladder[0].changed
    assert to_dict(unknown)["growth"][0]["before"] is None


def test_sizes_that_growing_would_take_away_are_not_safe(trees: Trees) -> None:
    base, head = trees
    large, small = stack("10k", [], PhaseName.P50K), stack("50k", [], PhaseName.P10K)

    (rung,) = compare(side(base, []), side(head, [], [large, small]), DEAR).ladder

    assert any("database.storageGib" in reason for reason in rung.after or ())
    assert rung.before is None


def test_a_base_of_another_model_is_priced_by_the_head_s_phase(trees: Trees) -> None:
    base, head = trees
    old = replace(stack("10k", [server()]), sizes={"name": "10k", "gone": 1})

    found = compare(side(base, [old], [old, old]), side(head, [stack("10k", [server()])]), DEAR)
    alone = compare(side(base, [old]), side(head, []), DEAR)

    assert only(found).cost.delta_usd == 0
    assert "another model" in only(found).note
    assert only(alone).cost.before_usd == 73


def test_both_sides_are_priced_by_the_head_s_usage(trees: Trees) -> None:
    base, head = trees
    wrong = stack("10k", [], usage={"dailyShare": 7})

    assert compare(side(base, [wrong]), side(head, [stack("10k", [])]), DEAR).exit_code == 0
    with pytest.raises(UserError, match="headroom:usage of stack 10k") as caught:
        compare(side(base, []), side(head, [wrong]), DEAR)
    assert "dailyShare = 7" in str(caught.value)


def test_a_mandatory_violation_needs_attention_and_an_advice_does_not(trees: Trees) -> None:
    base, head = trees
    sides = side(base, []), side(head, [])

    advised = compare(*sides, DEAR, [Violation("10k", "better so", is_mandatory=False)])
    refused = compare(*sides, DEAR, [Violation("10k", "never", is_mandatory=True)])

    assert advised.exit_code == 0
    assert refused.reasons == {Reason.POLICY: ("10k",)}
    assert refused.exit_code == 13
    assert to_dict(refused)["violations"] == [{"stack": "10k", "text": "never", "mandatory": True}]


def test_json_has_numbers_and_every_operation(trees: Trees) -> None:
    found = to_dict(review(trees, [server()], [server(size="large")], Limits()))

    (one,) = found["stacks"]
    assert found["exitCode"] == 10
    assert one["counts"] == {"create": 0, "update": 1, "replace": 0, "delete": 0}
    assert one["operations"][0]["changes"] == ["size"]
    assert one["cost"] == {
        "beforeUsd": 73.0,
        "afterUsd": 219.0,
        "deltaUsd": 146.0,
        "percent": 200.0,
        "highUsageUsd": 219.0,
        "bandUsd": [600, 800],
        "headroomUsd": 581.0,
        "verdict": "below",
        "unpricedBefore": 0,
        "unpriced": 0,
        "priceDriftUsd": 0.0,
    }
