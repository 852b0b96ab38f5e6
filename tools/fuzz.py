"""Random stack files through everything that reads one: settings, plan, cost, policy, growth.

`python -m tools.fuzz --examples 1000` makes stack files, right ones and wrong ones, and follows each as far as it
goes. What comes out is a message that names every problem with its mend, or a plan that is priced, judged and compared.
Anything else is a defect, and hypothesis shows the smallest stack file that has it. The tests do it with fewer.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from rich.console import Console

from infra import policy_command, stack_file
from infra.config import KEYS, SECRETS, Environment, Settings
from infra.cost import report
from infra.cost.bands import stand
from infra.cost.source import Source
from infra.cost.usage import Level
from infra.errors import UserError
from infra.growth.guard import judge
from infra.growth.steps import steps
from infra.growth.times import first_up, of_growth, told
from infra.plan import Plan, make_plan
from infra.problems import ConfigError
from infra.stack_file import StackFile
from infra.usage_settings import NAMES
from stacks.phase import PhaseName, Sizing
from stacks.phases import PHASES

STACK: Final = "prod"
GOOD: Final[Mapping[str, Any]] = {
    "aws:region": "us-east-1",
    "headroom:phase": "10k",
    "headroom:environment": "production",
    "headroom:domain": "example.com",
    "headroom:owner": "platform",
    "headroom:costCenter": "product",
    "headroom:alertEmails": ["oncall@example.com"],
    "headroom:cloudflareZoneId": "0" * 32,
    "headroom:cloudflareAccountId": "0" * 32,
}
"""The keys that there must be, in the last phase at least."""
PHASE_SHARE: Final = ["10k"] * 8 + ["50k"] * 5 + ["250k"] * 3 + ["1m"] * 2
"""How often each phase comes: a plan of 1m takes five times as long as one of 10k."""
ACCOUNT_ID: Final = "123456789012"
PLAUSIBLE: Final[Mapping[str, Sequence[Any]]] = {
    "aws:region": ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1"],
    "headroom:phase": PHASE_SHARE,
    "headroom:sizing": ["efficient", "blueprint", "blueprint"],
    "headroom:environment": [one.value for one in Environment],
    "headroom:domain": ["example.org", "a.b.example.com", "xn--bcher-kva.example", "x" * 60 + ".example.com"],
    "headroom:owner": ["ops", "Ünïcode", "名前", "a" * 256, "team = + - . : / @"],
    "headroom:costCenter": ["4711", 4711, "R&D"],
    "headroom:alertEmails": [["a@b.io", "c@d.io"], [f"p{index}@example.com" for index in range(10)]],
    "headroom:cloudflareZoneId": ["f" * 32],
    "headroom:cloudflareAccountId": ["a" * 32],
    "headroom:image": [f"registry.example.com/product@sha256:{'0' * 64}"],
    "headroom:greenImage": [f"registry.example.com/product@sha256:{'1' * 64}"],
    "headroom:greenShare": [0, 1, 50, 100, "10"],
    "headroom:slots": [["128-255=1"], ["0=1", "1-2=0"], ["0-255=9"], ["0-100=2", "101-255=3"], ["255=1", "255=1"]],
    "headroom:modelImage": [f"{ACCOUNT_ID}.dkr.ecr.us-east-1.amazonaws.com/model:1"],
    "headroom:modelDataUrl": ["s3://product-models/model.tar.gz"],
    "headroom:regions": [
        ["us-east-1"],
        ["eu-central-1"],
        ["us-east-1", "us-west-2", "eu-west-1"],
        ["us-east-1", "eu-central-1", "ap-southeast-2"],
        ["us-west-2", "us-east-1", "eu-west-1"],
        ["us-east-1", "us-east-1"],
    ],
    "headroom:operatorRoleArns": [[f"arn:aws:iam::{ACCOUNT_ID}:role/admin", f"arn:aws:iam::{ACCOUNT_ID}:role/x/y"]],
    "headroom:clusterAccessCidrs": [["203.0.113.7/32"], [f"203.0.113.{index}/32" for index in range(40)]],
    "headroom:networkCidr": ["10.0.0.0/14", "172.16.0.0/14", "10.252.0.0/14"],
    "headroom:availabilityZones": [
        ["us-east-1b", "us-east-1d", "us-east-1f"],
        ["us-east-1a", "us-east-1b", "us-east-1c", "us-west-2a", "us-west-2b", "us-west-2d"],
    ],
    "headroom:anonymousApiPaths": [["/api/v1/posts/*"], [f"/api/v1/p{index}" for index in range(8)]],
    "headroom:allowedOrigins": [["https://app.example.com", "http://localhost:3000"]],
    "headroom:exempted": [
        ["rds-multi-az us-east-1-db-0-* 2099-12-31 it is only a try"],
        ["rds-multi-az * 2020-01-01 it was only a try"],
        ["no-such-rule * 2099-12-31 it is only a try", "tags-complete [ 2099-12-31 there is no such resource"],
    ],
    "headroom:sentryDsn": [{"secure": "v1:AAAA"}],
    "headroom:pagerdutyUrl": [{"secure": "v1:AAAA"}],
    "other:key": ["passes", {"a": [1]}],
}
"""Values that fit their key; what they mean together may still be refused."""
WRONG: Final = (
    ["", " ", "[]", "{}", "null", "NaN", "10.64.0.0/99", "0.0.0.0/0", "🙂", "a\u0000b", "\u202e", "x" * 5_000, "${x}"],
    [True, None, -1, 10**30, 1e308, float("nan"), float("inf"), {"secure": "v1:AAAA"}, {"secure": 1, "x": 2}],
)


class End(StrEnum):
    """How far a stack file came."""

    REFUSED = "refused"
    WHOLE = "planned, priced and judged"


def _leaves(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


@cache
def _known() -> Mapping[tuple[str, ...], list[Any]]:
    """Every setting of any phase, with the values that the phases have there."""
    found: dict[tuple[str, ...], list[Any]] = {}
    for sizings in PHASES.values():
        for one in sizings.values():
            for path, value in _leaves(one.model_dump(mode="json", by_alias=True)):
                if path[0] not in {"name", "sizing", "regions"} and value not in found.setdefault(path, []):
                    found[path].append(value)
    return found


def _near(values: Sequence[Any]) -> list[Any]:
    """What the phases have, and numbers around it."""
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    around = [shifted for value in numbers for shifted in (value + 1, value * 2, value // 2)]
    return [*values, *([not values[0]] if isinstance(values[0], bool) else []), *around]


@st.composite
def _overrides(draw: st.DrawFn, *, wrong: bool) -> dict[str, Any]:
    """A few settings, each with another phase's value or one near it."""
    tree: dict[str, Any] = {}
    for path in draw(st.lists(st.sampled_from(sorted(_known())), min_size=1, max_size=4)):
        value = draw(_anything() if wrong and draw(st.integers(0, 3)) == 0 else st.sampled_from(_near(_known()[path])))
        here = tree
        for key in path[:-1]:
            inside = here.setdefault(key, {})
            here = here[key] = inside if isinstance(inside, dict) else {}
        here[path[-1]] = value
    return tree


def _anything() -> st.SearchStrategy[Any]:
    texts, others = (st.sampled_from(values) for values in WRONG)
    scalars = texts | others | st.text(max_size=20) | st.integers() | st.floats()
    return scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.text(max_size=8), scalars, max_size=3)


def _usage() -> st.SearchStrategy[Any]:
    numbers = st.sampled_from([0, 0.5, 1, 40, 10**9]) | st.floats(0, 1, allow_nan=False)
    return st.dictionaries(st.sampled_from(sorted(NAMES)), numbers, min_size=1, max_size=4)


@st.composite
def configs(draw: st.DrawFn, *, wrong: bool) -> dict[str, Any]:
    """The configuration of a stack file; with `wrong`, some keys are wrong, unknown or missing."""
    config = {**GOOD, "headroom:phase": draw(st.sampled_from(PHASE_SHARE))}
    groups = ["headroom:overrides", "headroom:overrides", "headroom:usage"]
    for key in draw(st.lists(st.sampled_from([*PLAUSIBLE, *groups]), max_size=4)):
        values = {"headroom:overrides": _overrides(wrong=wrong), "headroom:usage": _usage()}
        config[key] = draw(values[key] if key in values else st.sampled_from(list(PLAUSIBLE[key])))
    for _ in range(draw(st.integers(0, 2)) if wrong else 0):
        names = [*(f"headroom:{key}" for key in (*KEYS, *SECRETS)), "aws:region", "headroom:regoins", "phase"]
        key = draw(st.sampled_from(names) | st.text(min_size=1, max_size=10))
        if draw(st.integers(0, 4)) == 0:
            config.pop(key, None)
        else:
            config[key] = draw(_anything())
    return config


def follow(config: Mapping[str, Any]) -> End:
    """Take a configuration as far as it goes.

    Raises:
        AssertionError: a message lacks something, or a result does not hold.
        Exception: any other is a defect too.
    """
    try:
        stored = stored_of(config)
        found = Settings.parse(stored.raw, stack=STACK, encrypted=stored.encrypted)
        plan = make_plan(stored)
    except UserError as refused:
        _complete(refused)
        return End.REFUSED
    json.dumps(plan.to_dict()).encode()
    _priced(Source(STACK, found.spec, plan.resources, found.usage))
    _judged(plan, found)
    _grown(plan, stored, found)
    return End.WHOLE


def stored_of(config: Mapping[str, Any]) -> StackFile:
    """The configuration, written to a stack file and read again.

    Raises:
        infra.errors.UserError: it is none.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, f"Pulumi.{STACK}.yaml")
        path.write_text(yaml.safe_dump({"config": dict(config)}), encoding="utf-8")
        return stack_file.read(path)


def _expect(holds: object, what: str) -> None:
    if not holds:
        raise AssertionError(what)


def _complete(refused: UserError) -> None:
    """Check a message: it can be printed, and each problem has a command that mends it."""
    text = str(refused)
    text.encode()
    _expect("Traceback" not in text, text)
    if isinstance(refused, ConfigError):
        _expect(refused.found, "no problem is named")
        _expect(len(refused.found) == len(refused.problems), text)
        _expect(all(one.mend.startswith("pulumi config ") for one in refused.found), text)
    elif STACK not in refused.message:  # a file that is no stack file: its line is named
        _expect(refused.problems, text)


def _priced(source: Source) -> None:
    standing = stand(source)
    for level in Level:
        found = standing.estimates[level]
        _expect(found.monthly_usd.is_finite() and found.monthly_usd >= 0, f"{level}: {found.monthly_usd}")
        _expect(all((line.monthly_usd or Decimal(0)) >= 0 for line in found.lines), f"{level}: a line below zero")
        json.dumps(report.to_dict(standing, level))
    Console(file=io.StringIO(), width=200).print(report.render(standing, Level.EXPECTED))


def _judged(plan: Plan, found: Settings) -> None:
    production = found.environment is Environment.PRODUCTION
    verdict = policy_command.verdict(plan, found.exempted, production=production)
    broken = [one.text for one in verdict.findings if "the rule itself fails" in one.message]
    _expect(not broken, str(broken))
    json.dumps(policy_command.to_dict(STACK, verdict))
    "\n".join(policy_command.lines(STACK, verdict)).encode()


def _grown(plan: Plan, stored: StackFile, found: Settings) -> None:
    """Compare it with its phase as it is, both ways, and take the steps to the next phase apart."""
    _expect(not judge(plan.resources, plan.resources).operations, "it differs from itself")
    plain = _plain(found.phase)
    for before, after in ((plain.resources, plan.resources), (plan.resources, plain.resources)):
        told(of_growth(judge(before, after), after))
    told(first_up(plan.resources))
    names = list(PhaseName)
    later = names[min(names.index(found.phase) + 1, len(names) - 1)]
    try:
        _expect(steps(stored, found.phase, later), "growth without a step")
    except UserError as refused:  # what fits this phase need not fit the next
        _complete(refused)


@cache
def _plain(name: PhaseName) -> Plan:
    """A phase without anything of its own."""
    return make_plan(stored_of({**GOOD, "headroom:phase": name.value, "headroom:sizing": Sizing.EFFICIENT.value}))


def main() -> None:
    """Follow so many stack files, and count how they ended."""
    parser = argparse.ArgumentParser(prog="tools.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--examples", type=int, default=1_000, help="how many; 1,000 take about half an hour")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the random numbers; the same seed, the same stack files"
    )
    arguments = parser.parse_args()
    ends: Counter[str] = Counter()
    began = time.monotonic()

    @seed(arguments.seed)
    @settings(max_examples=arguments.examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(configs(wrong=False) | configs(wrong=True))
    def each(config: dict[str, Any]) -> None:
        ends[follow(config)] += 1

    each()
    counts = ", ".join(f"{count:,} {end}" for end, count in ends.most_common())
    print(f"{ends.total():,} stack files in {time.monotonic() - began:,.0f} s: {counts}")  # noqa: T201


if __name__ == "__main__":
    main()
