"""Images: what a tag means never changes, and what is in it is looked at."""

from __future__ import annotations

from collections.abc import Iterator

from policies.related import about
from policies.rule import Level, Rules, Severity
from policies.view import Resource, Stack

RULES = Rules()
REPOSITORY = "aws:ecr/repository:Repository"
LIFECYCLE = "aws:ecr/lifecyclePolicy:LifecyclePolicy"


@RULES.on(
    REPOSITORY,
    id="ecr-tags-fixed",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="A tag of an image never moves to another image.",
    remedy="set imageTagMutability to IMMUTABLE",
    frameworks=("FSBP ECR.2", "Checkov CKV_AWS_51"),
)
def tags_fixed(one: Resource) -> Iterator[str]:
    """AWS lets them move without the input."""
    if one.get("imageTagMutability") != "IMMUTABLE":
        yield "its tags can move"


@RULES.on(
    REPOSITORY,
    id="ecr-scanned",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="Every image is searched for known holes when it arrives.",
    remedy="set imageScanningConfiguration.scanOnPush to true",
    frameworks=("FSBP ECR.1", "Checkov CKV_AWS_163"),
)
def scanned(one: Resource) -> Iterator[str]:
    """A registry's enhanced scanning would do too; no stack here has it."""
    if one.get("imageScanningConfiguration.scanOnPush") is not True:
        yield "nobody looks at what arrives"


@RULES.on(
    REPOSITORY,
    id="ecr-own-key",
    severity=Severity.LOW,
    level=Level.PRODUCTION,
    demands="Images are encrypted with a key of the account's own.",
    remedy="set encryptionConfigurations to KMS and a key; it is fixed at creation",
    frameworks=("Checkov CKV_AWS_136",),
)
def own_key(one: Resource) -> Iterator[str]:
    """Without the input S3's own key encrypts."""
    blocks = one.items("encryptionConfigurations")
    if not any(it.has("kmsKey") and str(it.get("encryptionType")).startswith("KMS") for it in blocks):
        yield "it is encrypted with the service's key"


@RULES.between(
    REPOSITORY,
    id="ecr-lifecycle",
    severity=Severity.LOW,
    level=Level.PRODUCTION,
    demands="Every repository throws old images away.",
    remedy="create a LifecyclePolicy for the repository",
    frameworks=("FSBP ECR.3",),
)
def lifecycle(one: Resource, stack: Stack) -> Iterator[str]:
    """Each release adds one, and each is paid for by the month."""
    if not about(one, "name", stack, LIFECYCLE, "repository"):
        yield "images are kept for ever"
