"""What a change means while AWS makes it."""

from __future__ import annotations

from typing import Any

import pytest

from infra.growth.effects import CACHE, DATABASE, IN_PLACE, RULES, effects
from infra.local.diff import Change, Kind
from infra.replacements import known
from tests.test_replacements import input_names, sdk_types


def meaning(token: str, root: str, old: dict[str, Any], new: dict[str, Any]) -> tuple[str, int]:
    (found,) = effects(token, [Change(root, Kind.UPDATE, replaces=False)], old, new)
    return found.meaning, found.downtime_seconds


@pytest.mark.parametrize(
    ("root", "old", "new", "starts", "seconds"),
    [
        ("instanceClass", {"multiAz": True}, {}, "failover", 120),
        ("instanceClass", {"multiAz": False}, {}, "restart", 600),
        ("instanceClass", {"multiAz": True}, {"replicateSourceDb": "db"}, "restart of a reader", 0),
        ("allocatedStorage", {"allocatedStorage": 50}, {"allocatedStorage": 100}, "hours of storage optimisation;", 0),
        ("allocatedStorage", {"allocatedStorage": 50}, {"allocatedStorage": 400}, "hours of storage optimisation,", 0),
        ("backupRetentionPeriod", {"backupRetentionPeriod": 7}, {"backupRetentionPeriod": 30}, "in place", 0),
        ("backupRetentionPeriod", {"multiAz": True}, {"backupRetentionPeriod": 30}, "restart, as backups", 120),
        ("engineVersion", {"engineVersion": "16"}, {"engineVersion": "17"}, "upgrade", 900),
        ("engineVersion", {"engineVersion": "17.1"}, {"engineVersion": "17.2"}, "upgrade", 120),
        ("monitoringInterval", {}, {}, "in place", 0),
    ],
)
def test_a_change_of_a_database_means_what_rds_says(
    root: str, old: dict[str, Any], new: dict[str, Any], starts: str, seconds: int
) -> None:
    found, downtime = meaning(DATABASE, root, old, new)

    assert found.startswith(starts)
    assert downtime == seconds


def test_several_changes_have_several_meanings_each_once() -> None:
    changes = [Change(root, Kind.UPDATE, replaces=False) for root in ("nodeType", "numNodeGroups", "nodeType", "tags")]

    assert [one.meaning.split()[0] for one in effects(CACHE, changes, {}, {})] == ["rolling:", "resharding"]


def test_any_change_of_a_distribution_is_rolled_out_but_its_tags_are_not() -> None:
    token = "aws:cloudfront/distribution:Distribution"
    tags, comment = (Change(root, Kind.UPDATE, replaces=False) for root in ("tags", "comment"))

    assert effects(token, [tags], {}, {}) == (IN_PLACE,)
    assert effects(token, [tags, comment], {}, {})[0].meaning.startswith("rolled out")


def test_every_rule_is_about_an_input_that_exists_and_says_where_from() -> None:
    types = sdk_types()
    for (token, root), rule in RULES.items():
        assert known(token)
        if token.startswith("aws:") and root:
            assert root in input_names(types[token]), (token, root)
        found = rule({"multiAz": True}, {"backupRetentionPeriod": 1})
        assert found.source.startswith("https://"), (token, root)
