import json
from collections.abc import Callable
from typing import Any

import pytest

from components.alarms import AlarmTopics
from components.component import Site
from components.replication import Destination, Replication, ReplicationArgs
from tests.components.conftest import ACCOUNT, Recorded

Record = Callable[[Callable[[], object]], Recorded]
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/data"
FAR_KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/far"


def args(topics: AlarmTopics, key: str | None, **destinations: Destination) -> ReplicationArgs:
    return ReplicationArgs(
        source_bucket="uploads",
        source_arn="arn:aws:s3:::uploads",
        source_key_arn=key,
        destinations={region.replace("_", "-"): each for region, each in destinations.items()},
        topics=topics,
    )


@pytest.fixture
def uploads(recorded: Record, site: Site, topics: AlarmTopics) -> Recorded:
    far = Destination(bucket_arn="arn:aws:s3:::far", bucket_name="far", key_arn=FAR_KEY)
    return recorded(lambda: Replication("us-east-1-uploads-copy", site, args(topics, KEY, eu_west_1=far)))


@pytest.fixture
def assets(recorded: Record, site: Site, topics: AlarmTopics) -> Recorded:
    west = Destination(bucket_arn="arn:aws:s3:::west", bucket_name="west")
    far = Destination(bucket_arn="arn:aws:s3:::far", bucket_name="far")
    return recorded(
        lambda: Replication("us-east-1-assets-copy", site, args(topics, None, us_west_2=west, eu_west_1=far))
    )


def statements(parts: Recorded) -> dict[str, dict[str, Any]]:
    policy = json.loads(parts.one("RolePolicy").inputs["policy"])
    return {each["Sid"]: each for each in policy["Statement"]}


def test_what_users_upload_is_copied_encrypted_and_deletions_too(uploads: Recorded) -> None:
    (rule,) = uploads.one("BucketReplicationConfig").inputs["rules"]

    assert (rule["id"], rule["status"]) == ("to-eu-west-1", "Enabled")
    assert rule["sourceSelectionCriteria"] == {"sseKmsEncryptedObjects": {"status": "Enabled"}}
    assert rule["destination"]["encryptionConfiguration"] == {"replicaKmsKeyId": FAR_KEY}
    assert rule["deleteMarkerReplication"] == {"status": "Enabled"}
    assert "replicationTime" not in rule["destination"]


def test_public_files_go_to_every_region_under_rules_of_their_own(assets: Recorded) -> None:
    rules = assets.one("BucketReplicationConfig").inputs["rules"]

    assert {rule["id"]: rule["destination"]["bucket"] for rule in rules} == {
        "to-eu-west-1": "arn:aws:s3:::far",
        "to-us-west-2": "arn:aws:s3:::west",
    }
    assert len({rule["priority"] for rule in rules}) == 2
    assert all("sourceSelectionCriteria" not in rule for rule in rules)
    assert not {"Decrypt", "EncryptEuWest1"} & statements(assets).keys()


def test_the_role_reads_one_bucket_writes_the_other_and_each_key_does_one_thing(uploads: Recorded) -> None:
    allowed = statements(uploads)

    assert allowed["Read"]["Resource"] == "arn:aws:s3:::uploads/*"
    assert allowed["Write"]["Resource"] == ["arn:aws:s3:::far/*"]
    assert (allowed["Decrypt"]["Action"], allowed["Decrypt"]["Resource"]) == ("kms:Decrypt", KEY)
    assert allowed["Decrypt"]["Condition"] == {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    encrypt = allowed["EncryptEuWest1"]
    assert (encrypt["Action"], encrypt["Resource"]) == ("kms:Encrypt", FAR_KEY)
    assert encrypt["Condition"] == {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}


def test_s3_hears_of_the_role_when_it_may_do_its_work(uploads: Recorded) -> None:
    assert uploads.one("RolePolicy").urn in uploads.one("BucketReplicationConfig").dependencies


def test_an_object_that_is_not_copied_makes_a_ticket(assets: Recorded) -> None:
    alarms = {alarm.inputs["dimensions"]["DestinationBucket"]: alarm.inputs for alarm in assets.of("MetricAlarm")}

    assert alarms.keys() == {"far", "west"}
    assert alarms["far"]["dimensions"]["RuleId"] == "to-eu-west-1"
    assert (alarms["far"]["metricName"], alarms["far"]["threshold"]) == ("OperationsFailedReplication", 0)
    assert alarms["far"]["alarmActions"][0].endswith(":ticket")


def test_a_rule_measures_what_its_alarm_watches(uploads: Recorded) -> None:
    (rule,) = uploads.one("BucketReplicationConfig").inputs["rules"]

    assert rule["destination"]["metrics"] == {"status": "Enabled"}
