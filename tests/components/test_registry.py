import json
from collections.abc import Callable

import pytest

from components.component import Site
from components.registry import Registry, RegistryArgs
from tests.components.conftest import ACCOUNT, Recorded

Record = Callable[[Callable[[], object]], Recorded]
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/operations"


@pytest.fixture
def registry(recorded: Record, site: Site) -> Recorded:
    return recorded(lambda: Registry("app", site, RegistryArgs(key_arn=KEY)))


def test_a_tag_never_moves_and_every_push_is_scanned(registry: Recorded) -> None:
    repository = registry.one("Repository").inputs

    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}


def test_images_are_encrypted_with_our_key(registry: Recorded) -> None:
    assert registry.one("Repository").inputs["encryptionConfigurations"] == [{"encryptionType": "KMS", "kmsKey": KEY}]


def test_thirty_images_stay_and_untagged_layers_go_after_a_week(registry: Recorded) -> None:
    untagged, tagged = json.loads(registry.one("LifecyclePolicy").inputs["policy"])["rules"]

    assert untagged["selection"] == {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": 7,
    }
    assert tagged["selection"]["countNumber"] == 30
    # ECR asks for patterns or prefixes with `tagged`.
    assert tagged["selection"]["tagPatternList"] == ["*"]
    assert untagged["rulePriority"] < tagged["rulePriority"]


def test_images_to_roll_back_to_are_protected(registry: Recorded) -> None:
    assert registry.one("Repository").options == {"protect": True, "retainOnDelete": True}
    assert registry.one("Repository").inputs["forceDelete"] is False
