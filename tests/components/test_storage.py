import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from components.bucket import tls_only
from components.component import Site
from components.storage import (
    AssetsBucket,
    AssetsBucketArgs,
    DistributionAccess,
    DistributionAccessArgs,
    ExportsBucket,
    ExportsBucketArgs,
    LogsBucket,
    LogsBucketArgs,
    UploadsBucket,
    UploadsBucketArgs,
)
from tests.components.conftest import ACCOUNT, Recorded

Record = Callable[[Callable[[], object]], Recorded]
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/data"


def build(site: Site) -> None:
    logs = LogsBucket("logs", site, LogsBucketArgs(account_id=ACCOUNT))
    AssetsBucket("assets", site, AssetsBucketArgs(account_id=ACCOUNT, logs_bucket=logs.bucket_name))
    UploadsBucket(
        "uploads",
        site,
        UploadsBucketArgs(
            account_id=ACCOUNT, logs_bucket=logs.bucket_name, key_arn=KEY, allowed_origins=["https://example.com"]
        ),
    )
    ExportsBucket("exports", site, ExportsBucketArgs(account_id=ACCOUNT, logs_bucket=logs.bucket_name, key_arn=KEY))


@pytest.fixture
def storage(recorded: Record, site: Site) -> Recorded:
    return recorded(lambda: build(site))


BUCKETS = ["logs", "assets", "uploads", "exports"]


def policy(storage: Recorded, name: str) -> dict[str, dict[str, Any]]:
    """Statements of a bucket's policy by their id."""
    document = json.loads(storage.inputs(name, "BucketPolicy")["policy"])
    return {statement["Sid"]: statement for statement in document["Statement"]}


@pytest.mark.parametrize("name", BUCKETS)
def test_no_bucket_can_ever_be_public(storage: Recorded, name: str) -> None:
    block = storage.inputs(name, "BucketPublicAccessBlock")

    assert block["bucket"] == f"headroom-10k-{name}-{ACCOUNT}"
    for flag in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"):
        assert block[flag] is True
    assert storage.inputs(name, "BucketOwnershipControls")["rule"] == {"objectOwnership": "BucketOwnerEnforced"}


@pytest.mark.parametrize("name", BUCKETS)
def test_every_bucket_keeps_versions_and_aborts_uploads_nobody_finished(storage: Recorded, name: str) -> None:
    (rule,) = storage.inputs(name, "BucketLifecycleConfiguration")["rules"]

    assert storage.inputs(name, "BucketVersioning")["versioningConfiguration"] == {"status": "Enabled"}
    assert rule["status"] == "Enabled"
    assert rule["filter"] == {"prefix": ""}
    assert rule["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 7}


def test_assets_and_uploads_become_cheaper_after_a_month_and_can_be_brought_back(storage: Recorded) -> None:
    for name, days in {"assets": 30, "uploads": 14}.items():
        (rule,) = storage.inputs(name, "BucketLifecycleConfiguration")["rules"]
        assert rule["transitions"] == [{"days": 30, "storageClass": "STANDARD_IA"}]
        assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": days}
        assert "expiration" not in rule


def test_exports_are_kept_for_a_year(storage: Recorded) -> None:
    (rule,) = storage.inputs("exports", "BucketLifecycleConfiguration")["rules"]

    assert rule["expiration"] == {"days": 365}


def test_logs_are_gone_after_a_month(storage: Recorded) -> None:
    (rule,) = storage.inputs("logs", "BucketLifecycleConfiguration")["rules"]

    assert rule["expiration"] == {"days": 30}
    assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": 1}
    assert "transitions" not in rule


def test_what_users_own_is_encrypted_with_our_key_and_the_rest_with_that_of_s3(storage: Recorded) -> None:
    def rule(name: str) -> dict[str, Any]:
        (found,) = storage.inputs(name, "BucketServerSideEncryptionConfiguration")["rules"]
        return dict(found)

    for name in ("uploads", "exports"):
        assert rule(name) == {
            "applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY},
            "bucketKeyEnabled": True,
        }
    for name in ("assets", "logs"):
        assert rule(name)["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}


@pytest.mark.parametrize("name", ["assets", "uploads", "exports"])
def test_access_to_buckets_is_logged(storage: Recorded, name: str) -> None:
    logging = storage.inputs(name, "BucketLogging")

    assert logging["targetBucket"] == f"headroom-10k-logs-{ACCOUNT}"
    assert logging["targetPrefix"] == f"s3/{name}/"


@pytest.mark.parametrize("name", ["logs", "uploads", "exports"])
def test_a_bucket_refuses_plain_http(storage: Recorded, name: str) -> None:
    assert policy(storage, name)["TlsOnly"] == tls_only(f"arn:aws:s3:::headroom-10k-{name}-{ACCOUNT}")


def test_log_services_write_only_where_this_account_logs(storage: Recorded) -> None:
    statements = policy(storage, "logs")
    bucket = f"arn:aws:s3:::headroom-10k-logs-{ACCOUNT}"

    load_balancers = statements["LoadBalancers"]
    assert load_balancers["Principal"] == {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}
    assert load_balancers["Resource"] == f"{bucket}/*AWSLogs/{ACCOUNT}/*"
    for sid in ("CloudFront", "Buckets"):
        assert statements[sid]["Condition"]["StringEquals"]["aws:SourceAccount"] == ACCOUNT
    assert {each["Action"] for each in statements.values() if each["Effect"] == "Allow"} == {"s3:PutObject"}


def test_who_logs_waits_until_it_may(storage: Recorded) -> None:
    logs_policy = storage.named("logs", "BucketPolicy").urn

    assert logs_policy in storage.named("uploads", "BucketLogging").dependencies


def test_only_our_distribution_reads_the_assets(recorded: Record, site: Site) -> None:
    distribution = f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1"
    args = DistributionAccessArgs(bucket_name="assets", distribution_arn=distribution)

    statements = policy(recorded(lambda: DistributionAccess("assets", site, args)), "assets")

    assert statements.keys() == {"TlsOnly", "CloudFront"}
    assert statements["CloudFront"]["Action"] == "s3:GetObject"
    assert statements["CloudFront"]["Resource"] == "arn:aws:s3:::assets/*"
    assert statements["CloudFront"]["Condition"] == {"StringEquals": {"AWS:SourceArn": distribution}}


def test_only_our_pages_upload_from_a_browser(storage: Recorded) -> None:
    (rule,) = storage.inputs("uploads", "BucketCorsConfiguration")["corsRules"]

    assert rule["allowedOrigins"] == ["https://example.com"]
    assert rule["exposeHeaders"] == ["ETag"]


@pytest.mark.parametrize("name", BUCKETS)
def test_buckets_are_protected_in_production(storage: Recorded, name: str) -> None:
    bucket = storage.named(name, "s3/bucket:Bucket")

    assert bucket.options.get("protect") is True
    assert bucket.options.get("retainOnDelete") is True
    assert bucket.inputs["forceDestroy"] is False


def test_a_development_stack_can_be_destroyed_with_what_is_in_it(recorded: Record, site: Site) -> None:
    development = replace(site, protected=False, retained=False)

    bucket = recorded(lambda: build(development)).named("uploads", "s3/bucket:Bucket")

    assert not {"protect", "retainOnDelete"} & bucket.options.keys()
    assert bucket.inputs["forceDestroy"] is True


def test_each_bucket_says_what_class_of_data_it_holds(storage: Recorded) -> None:
    tags = {name: storage.inputs(name, "s3/bucket:Bucket")["tags"]["DataClass"] for name in BUCKETS}

    assert tags == {"logs": "confidential", "assets": "public", "uploads": "confidential", "exports": "confidential"}
