"""Decides requests: in one round trip for all rules, and by itself while Redis is gone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.cache.store import LOST, Store, call
from app.limits.local import LOCAL_SHARE, Buckets, Denials
from app.limits.policies import Check
from app.limits.rules import Rule
from app.limits.script import SLIDING_WINDOW

CLOSED_RETRY_SECONDS = 1.0


class Outcome(StrEnum):
    """What becomes of a request; `CLOSED` means that nobody can count, and it may not pass uncounted."""

    ALLOWED = "allowed"
    DENIED = "denied"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, told by the rule that is closest to its limit.

    Attributes:
        outcome: what becomes of the request.
        rule: which one; None without any.
        remaining: requests left to it.
        reset_seconds: without a request for so long everything is free again; if denied, until one may pass.
        is_local: this process decided alone, Redis being gone.
    """

    outcome: Outcome
    rule: Rule | None
    remaining: int
    reset_seconds: float
    is_local: bool = False


class Limiter:
    """One a process. Its Redis is the group that evicts nothing."""

    def __init__(self, store: Store) -> None:
        """Take the store."""
        self._store = store
        self._denials = Denials()
        self._buckets = Buckets()

    async def check(self, checks: Sequence[Check], *, fails_closed: bool) -> Verdict:
        """Decide one request, and count it if all allow it. Never raises.

        Rules of one subject are decided together; a subject's count stands where only another one denies.

        Args:
            checks: what holds for it.
            fails_closed: without Redis it is closed; otherwise a share of each limit holds in this process.
        """
        denied = self._denied_before(checks)
        if denied is not None:
            return denied
        replies = await self._store.run(
            [
                call(
                    SLIDING_WINDOW,
                    [one.subject.key(rule) for rule in one.rules],
                    *(number for rule in one.rules for number in (rule.limit, rule.window_seconds * 1000)),
                )
                for one in checks
            ]
        )
        if LOST in replies and fails_closed:
            return Verdict(Outcome.CLOSED, None, 0, CLOSED_RETRY_SECONDS, is_local=True)
        verdicts = [
            verdict
            for one, reply in zip(checks, replies, strict=True)
            for verdict in (self._alone(one) if reply is LOST else self._read(one, reply))
        ]
        return _strictest(verdicts)

    def _denied_before(self, checks: Sequence[Check]) -> Verdict | None:
        for one in checks:
            for rule in one.rules:
                left = self._denials.left(one.subject.key(rule))
                if left:
                    return Verdict(Outcome.DENIED, rule, 0, left)
        return None

    def _read(self, check: Check, reply: Sequence[Sequence[Any]]) -> Iterator[Verdict]:
        for rule, (allows, remaining, wait_ms) in zip(check.rules, reply, strict=True):
            if allows:
                yield Verdict(Outcome.ALLOWED, rule, int(remaining), rule.window_seconds)
            else:
                self._denials.add(check.subject.key(rule), wait_ms / 1000)
                yield Verdict(Outcome.DENIED, rule, 0, wait_ms / 1000)

    def _alone(self, check: Check) -> Iterator[Verdict]:
        for rule in check.rules:
            left, wait = self._buckets.take(check.subject.key(rule), rule)
            outcome = Outcome.DENIED if wait else Outcome.ALLOWED
            yield Verdict(outcome, rule, left, wait or rule.window_seconds, is_local=True)


def _strictest(verdicts: Sequence[Verdict]) -> Verdict:
    """The denial that lasts longest; without one, the rule with the fewest requests left."""
    denied = [verdict for verdict in verdicts if verdict.outcome is Outcome.DENIED]
    if denied:
        return max(denied, key=lambda verdict: verdict.reset_seconds)
    return min(
        verdicts,
        key=lambda verdict: verdict.remaining,
        default=Verdict(Outcome.ALLOWED, None, 0, 0.0),
    )


def headers(verdict: Verdict) -> dict[str, str]:
    """Of an answer: `RateLimit` and `RateLimit-Policy`, the older names, and `Retry-After` where it is no.

    https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ (version 10: structured fields)
    """
    reset = math.ceil(verdict.reset_seconds)
    found = {} if verdict.outcome is Outcome.ALLOWED else {"retry-after": str(max(1, reset))}
    rule = verdict.rule
    if rule is not None:
        limit = max(1, int(rule.limit * LOCAL_SHARE)) if verdict.is_local else rule.limit
        found |= {
            "ratelimit": f'"{rule.name}";r={verdict.remaining};t={reset}',
            "ratelimit-policy": f'"{rule.name}";q={limit};w={rule.window_seconds}',
            "x-ratelimit-limit": str(limit),
            "x-ratelimit-remaining": str(verdict.remaining),
            "x-ratelimit-reset": str(reset),
        }
    return found
