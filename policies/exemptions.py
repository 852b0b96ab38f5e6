"""Exemptions: one rule, for some resources, until a day, with a reason. They are always reported."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import Final

PATTERN: Final = r"^[a-z0-9-]+ \S+ [0-9]{4}-[0-9]{2}-[0-9]{2} .+$"
LEAST_WORDS: Final = 3
"""Of a reason: a word or two is none."""


@dataclass(frozen=True, slots=True)
class Exemption:
    """One rule does not bind some resources.

    Attributes:
        rule: id of the rule.
        resource: logical name of the resource; `*` matches any text in it.
        expires: last day that it holds.
        reason: why, in a sentence.
    """

    rule: str
    resource: str
    expires: date
    reason: str

    def covers(self, rule: str, resource: str) -> bool:
        """Whether it is about this finding."""
        return self.rule == rule and fnmatchcase(resource, self.resource)


def parse(text: str) -> Exemption:
    """Read `RULE RESOURCE LAST-DAY REASON`.

    Raises:
        ValueError: it is none; the message says why.
    """
    if not re.fullmatch(PATTERN, text):
        msg = "must be a rule, a resource, a last day and a reason, with a blank between"
        raise ValueError(msg)
    rule, resource, day, reason = text.split(" ", 3)
    try:
        expires = date.fromisoformat(day)
    except ValueError:
        msg = f"ends on {day}, which is no day"
        raise ValueError(msg) from None
    if len(reason.split()) < LEAST_WORDS:
        msg = f"must say why in {LEAST_WORDS} words or more"
        raise ValueError(msg)
    return Exemption(rule, resource, expires, reason)
