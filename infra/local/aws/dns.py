"""Route 53."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.local.aws.calls import call, change, is_gone
from infra.local.aws.kind import Context, Kind, KindError, Values
from infra.local.aws.table import ApiKind

_HEALTH_CHECK = {
    "childHealthThreshold": "HealthThreshold",
    "childHealthchecks": "ChildHealthChecks",
    "fqdn": "FullyQualifiedDomainName",
    "invertHealthcheck": "Inverted",
}


def _zone(_: Context, values: Values) -> Values:
    """A zone of a VPC is private."""
    vpcs = values.get("vpcs") or []
    config = {"comment": values.get("comment", "Managed by Pulumi"), "privateZone": bool(vpcs)}
    vpc = {"vpc": {"vpcId": vpcs[0]["vpcId"], "vpcRegion": vpcs[0].get("vpcRegion", "us-east-1")}} if vpcs else {}
    return {**values, "hostedZoneConfig": config, "callerReference": str(uuid.uuid4()), **vpc}


def _remove_zone(ctx: Context, id_: str, outputs: Values) -> None:
    client = ctx.client("route53")
    if outputs.get("forceDestroy"):
        for record in client.list_resource_record_sets(HostedZoneId=id_)["ResourceRecordSets"]:
            if record["Type"] not in ("NS", "SOA"):
                changes = [{"Action": "DELETE", "ResourceRecordSet": record}]
                client.change_resource_record_sets(HostedZoneId=id_, ChangeBatch={"Changes": changes})
    client.delete_hosted_zone(Id=id_)


def _health_check(_: Context, values: Values) -> Values:
    """Creation takes the settings inside a structure, the update takes them flat."""
    settings = dict(values)
    if values.get("cloudwatchAlarmName"):
        settings["alarmIdentifier"] = {"name": values["cloudwatchAlarmName"], "region": values["cloudwatchAlarmRegion"]}
    return {**settings, "healthCheckConfig": settings, "callerReference": str(uuid.uuid4())}


def _record_set(values: Values) -> Values:
    """A record as the API takes it."""
    made: Values = {"Name": values["fqdn"], "Type": values["type"]}
    if aliases := values.get("aliases"):
        made["AliasTarget"] = {
            "HostedZoneId": aliases[0]["zoneId"],
            "DNSName": aliases[0]["name"],
            "EvaluateTargetHealth": bool(aliases[0].get("evaluateTargetHealth")),
        }
    else:
        quoted = values["type"] in ("TXT", "SPF")
        records = [f'"{each}"' if quoted and not each.startswith('"') else each for each in values["records"]]
        made |= {"TTL": int(values["ttl"]), "ResourceRecords": [{"Value": each} for each in records]}
    policies: dict[str, Any] = {
        "SetIdentifier": values.get("setIdentifier"),
        "HealthCheckId": values.get("healthCheckId"),
        "Region": _only(values, "latencyRoutingPolicies", "region"),
        "Weight": _only(values, "weightedRoutingPolicies", "weight"),
        "Failover": _only(values, "failoverRoutingPolicies", "type"),
        "MultiValueAnswer": values.get("multivalueAnswerRoutingPolicy"),
    }
    if (weight := policies["Weight"]) is not None:
        policies["Weight"] = int(weight)
    if geo := (values.get("geolocationRoutingPolicies") or [None])[0]:
        names = {"continent": "ContinentCode", "country": "CountryCode", "subdivision": "SubdivisionCode"}
        policies["GeoLocation"] = {name: geo[key] for key, name in names.items() if geo.get(key)}
    return {**made, **{key: value for key, value in policies.items() if value is not None}}


def _only(values: Values, block: str, key: str) -> Any:
    blocks = values.get(block) or [{}]
    return blocks[0].get(key)


class _Record:
    """A record set: known by zone, name, type and set identifier, and written by changing its zone."""

    computed = ("fqdn",)
    real = True

    def create(self, ctx: Context, inputs: Values) -> tuple[str, Values]:
        """See `Kind`."""
        outputs = self._outputs(ctx, inputs)
        if self._find(ctx, outputs) is not None and not inputs.get("allowOverwrite"):
            message = f"{outputs['fqdn']} {inputs['type']} already exists in zone {inputs['zoneId']}"
            raise KindError(message)
        self._change(ctx, "UPSERT", outputs)
        parts = (inputs["zoneId"], inputs["name"], inputs["type"], inputs.get("setIdentifier"))
        return "_".join(str(part) for part in parts if part), outputs

    def read(self, ctx: Context, id: str, outputs: Values) -> Values | None:  # noqa: A002
        """See `Kind`; an alias or a record that points elsewhere is drift."""
        found = self._find(ctx, outputs)
        if found is None:
            return None
        fresh = dict(outputs)
        if "records" in outputs:
            values = [each["Value"] for each in found.get("ResourceRecords", [])]
            if sorted(values) != sorted(each["Value"] for each in _record_set(outputs)["ResourceRecords"]):
                fresh["records"] = values
        if "ttl" in outputs and int(outputs["ttl"]) != found.get("TTL"):
            fresh["ttl"] = found.get("TTL")
        target = found.get("AliasTarget", {}).get("DNSName")
        if outputs.get("aliases") and outputs["aliases"][0]["name"] != target:
            fresh["aliases"] = [{**outputs["aliases"][0], "name": target}]
        return fresh

    def update(self, ctx: Context, id: str, outputs: Values, old: Values, new: Values) -> Values:  # noqa: A002
        """See `Kind`."""
        fresh = self._outputs(ctx, new)
        self._change(ctx, "UPSERT", fresh)
        return fresh

    def delete(self, ctx: Context, id: str, outputs: Values) -> None:  # noqa: A002
        """See `Kind`."""
        found = self._find(ctx, outputs)
        if found is None:
            return
        client = ctx.client("route53")
        records = client.list_resource_record_sets(HostedZoneId=outputs["zoneId"])["ResourceRecordSets"]
        self._change(ctx, "DELETE", outputs)
        # moto deletes every record of the zone with the same set identifier, whatever its name and type.
        same = outputs.get("setIdentifier")
        for record in records if same else []:
            if record.get("SetIdentifier") == same and record != found:
                changes = [{"Action": "UPSERT", "ResourceRecordSet": record}]
                client.change_resource_record_sets(HostedZoneId=outputs["zoneId"], ChangeBatch={"Changes": changes})

    def _outputs(self, ctx: Context, inputs: Values) -> Values:
        """A name that does not end with the zone's is one inside the zone."""
        zone = ctx.client("route53").get_hosted_zone(Id=inputs["zoneId"])["HostedZone"]["Name"].rstrip(".")
        name = str(inputs["name"]).rstrip(".")
        inside = name == zone or name.endswith(f".{zone}")
        return {**inputs, "fqdn": name if inside else f"{name}.{zone}" if name else zone}

    def _change(self, ctx: Context, action: str, values: Values) -> None:
        changes = [{"Action": action, "ResourceRecordSet": _record_set(values)}]
        ctx.client("route53").change_resource_record_sets(
            HostedZoneId=values["zoneId"], ChangeBatch={"Changes": changes}
        )

    def _find(self, ctx: Context, values: Values) -> dict[str, Any] | None:
        try:
            found = ctx.client("route53").list_resource_record_sets(
                HostedZoneId=values["zoneId"], StartRecordName=values["fqdn"], StartRecordType=values["type"]
            )["ResourceRecordSets"]
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        wanted = (values["fqdn"].lower(), values["type"], values.get("setIdentifier"))
        for record in found:
            name = record["Name"].rstrip(".").replace("\\052", "*")
            if (name, record["Type"], record.get("SetIdentifier")) == wanted:
                return dict(record)
        return None


KINDS: Mapping[str, Kind] = {
    "aws:route53/zone:Zone": ApiKind(
        service="route53",
        make=call("create_hosted_zone"),
        prepare=_zone,
        id=lambda values: values["HostedZone"]["Id"].removeprefix("/hostedzone/"),
        find=call("get_hosted_zone", Id="{id}"),
        outputs={
            "arn": "=arn:{partition}:route53:::hostedzone/{id}",
            "nameServers": "DelegationSet.NameServers",
            "primaryNameServer": "DelegationSet.NameServers[0]",
            "zoneId": "={id}",
        },
        changes=(change("update_hosted_zone_comment", "comment", Id="{id}"),),
        remove=_remove_zone,
        tags="zone",
        world=True,
    ),
    "aws:route53/record:Record": _Record(),
    "aws:route53/healthCheck:HealthCheck": ApiKind(
        service="route53",
        make=call("create_health_check"),
        prepare=_health_check,
        rename=_HEALTH_CHECK,
        id="HealthCheck.Id",
        find=call("get_health_check", HealthCheckId="{id}"),
        at="HealthCheck",
        outputs={"arn": "=arn:{partition}:route53:::healthcheck/{id}"},
        watched={"resourcePath": "HealthCheckConfig.ResourcePath", "disabled": "HealthCheckConfig.Disabled"},
        changes=(change("update_health_check", HealthCheckId="{id}"),),
        drop=call("delete_health_check", HealthCheckId="{id}"),
        tags="healthcheck",
        world=True,
    ),
}
