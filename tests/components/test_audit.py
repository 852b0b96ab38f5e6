"""What happens in the account is recorded, and what is severe wakes somebody."""

import json
from collections.abc import Callable

from components.alarms import AlarmTopics
from components.audit import Audit, AuditArgs
from components.component import Site
from tests.components.conftest import ACCOUNT, Recorded

Record = Callable[[Callable[[], object]], Recorded]


def audit(site: Site, topics: AlarmTopics) -> Audit:
    return Audit("audit", site, AuditArgs(account_id=ACCOUNT, topics=topics))


def test_the_trail_covers_all_regions_and_proves_its_files(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    trail = recorded(lambda: audit(site, topics)).one("Trail").inputs
    assert (trail["isMultiRegionTrail"], trail["includeGlobalServiceEvents"]) == (True, True)
    assert trail["enableLogFileValidation"]


def test_only_this_accounts_trails_write_to_the_bucket(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    policy = json.loads(recorded(lambda: audit(site, topics)).one("BucketPolicy").inputs["policy"])
    for statement in policy["Statement"]:
        if statement["Effect"] == "Allow":
            assert statement["Principal"] == {"Service": "cloudtrail.amazonaws.com"}
            assert f":{ACCOUNT}:" in statement["Condition"]["ArnLike"]["aws:SourceArn"]


def test_the_audit_log_is_kept_over_a_year(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    parts = recorded(lambda: audit(site, topics))
    rules = parts.one("BucketLifecycleConfiguration").inputs["rules"]
    assert max(rule.get("expiration", {}).get("days", 0) for rule in rules) > 365
    assert parts.one("s3/bucket:Bucket").options["protect"]


def test_severe_findings_page(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    parts = recorded(lambda: audit(site, topics))
    pattern = json.loads(parts.one("EventRule").inputs["eventPattern"])
    assert pattern["detail"]["severity"] == [{"numeric": [">=", 7]}]
    assert parts.one("EventTarget").inputs["arn"] == topics.page_arn
    assert parts.one("Detector").inputs["enable"]
