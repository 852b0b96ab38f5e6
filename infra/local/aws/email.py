"""SES."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from infra.local.aws.calls import call, input_shape
from infra.local.aws.kind import Context, Kind, Values
from infra.local.aws.memory import MemoryKind, Parent
from infra.local.aws.shape import to_api
from infra.local.aws.table import ApiKind, arn

TOKENS = 3
"""Of Easy DKIM."""
_SET_OPTIONS = (
    "deliveryOptions",
    "reputationOptions",
    "sendingOptions",
    "suppressionOptions",
    "trackingOptions",
    "vdmOptions",
)


def _change_set(ctx: Context, id_: str, old: Values, new: Values) -> None:
    """Make the set anew under its old name: moto has none of the operations that change it."""
    if not old or all(old.get(key) == new.get(key) for key in _SET_OPTIONS):
        return
    client = ctx.client("sesv2")
    client.delete_configuration_set(ConfigurationSetName=id_)
    client.create_configuration_set(**to_api(input_shape(client, "create_configuration_set"), new))


def _dkim(ctx: Context, id_: str, _: Values, __: Values) -> Values:
    """Tokens as SES gives them, which moto does not: three of 32 characters, others in each region."""
    seeds = [f"{ctx.region}/{id_}/{number}" for number in range(TOKENS)]
    tokens = [hashlib.sha256(seed.encode()).hexdigest()[:32] for seed in seeds]
    return {"dkimSigningAttributes": {"nextSigningKeyLength": "RSA_2048_BIT", "tokens": tokens}}


KINDS: Mapping[str, Kind] = {
    "aws:sesv2/configurationSet:ConfigurationSet": ApiKind(
        service="sesv2",
        make=call("create_configuration_set"),
        id="={configurationSetName}",
        find=call("get_configuration_set", ConfigurationSetName="{id}"),
        at="[@][?ConfigurationSetName] | [0]",
        outputs={"arn": arn("ses", "configuration-set/{id}")},
        watched={"deliveryOptions": "DeliveryOptions.TlsPolicy && DeliveryOptions.{tlsPolicy: TlsPolicy}"},
        settle=_change_set,
        drop=call("delete_configuration_set", ConfigurationSetName="{id}"),
        tags="ses",
    ),
    "aws:sesv2/dedicatedIpPool:DedicatedIpPool": ApiKind(
        service="sesv2",
        make=call("create_dedicated_ip_pool"),
        id="={poolName}",
        find=call("get_dedicated_ip_pool", PoolName="{id}"),
        at="DedicatedIpPool",
        outputs={"arn": arn("ses", "dedicated-ip-pool/{id}")},
        drop=call("delete_dedicated_ip_pool", PoolName="{id}"),
        tags="ses",
    ),
    "aws:sesv2/emailIdentity:EmailIdentity": ApiKind(
        service="sesv2",
        make=call("create_email_identity"),
        id="={emailIdentity}",
        find=call("get_email_identity", EmailIdentity="{id}"),
        at="[@][?IdentityType] | [0]",
        outputs={
            "arn": arn("ses", "identity/{id}"),
            "identityType": "IdentityType",
            "verifiedForSendingStatus": "VerifiedForSendingStatus",
        },
        derive=_dkim,
        derived=("dkimSigningAttributes",),
        drop=call("delete_email_identity", EmailIdentity="{id}"),
        tags="ses",
    ),
    "aws:sesv2/configurationSetEventDestination:ConfigurationSetEventDestination": MemoryKind(
        type="SES event destination",
        id="{configurationSetName}|{eventDestinationName}",
        parents=(
            Parent(
                "sesv2",
                call("get_configuration_set", ConfigurationSetName="{configurationSetName}"),
                "ConfigurationSetName",
            ),
        ),
    ),
}
