"""Load balancers and certificates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.aws.calls import call, change
from infra.local.aws.kind import Context, Kind, KindError, Values
from infra.local.aws.shape import text
from infra.local.aws.table import ApiKind

_BALANCER_ATTRIBUTES = {
    "accessLogs.bucket": "access_logs.s3.bucket",
    "accessLogs.enabled": "access_logs.s3.enabled",
    "accessLogs.prefix": "access_logs.s3.prefix",
    "clientKeepAlive": "client_keep_alive.seconds",
    "connectionLogs.bucket": "connection_logs.s3.bucket",
    "connectionLogs.enabled": "connection_logs.s3.enabled",
    "connectionLogs.prefix": "connection_logs.s3.prefix",
    "desyncMitigationMode": "routing.http.desync_mitigation_mode",
    "dropInvalidHeaderFields": "routing.http.drop_invalid_header_fields.enabled",
    "enableCrossZoneLoadBalancing": "load_balancing.cross_zone.enabled",
    "enableDeletionProtection": "deletion_protection.enabled",
    "enableHttp2": "routing.http2.enabled",
    "enableTlsVersionAndCipherSuiteHeaders": "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
    "enableWafFailOpen": "waf.fail_open.enabled",
    "enableXffClientPort": "routing.http.xff_client_port.enabled",
    "enableZonalShift": "zonal_shift.config.enabled",
    "idleTimeout": "idle_timeout.timeout_seconds",
    "preserveHostHeader": "routing.http.preserve_host_header.enabled",
    "xffHeaderProcessingMode": "routing.http.xff_header_processing.mode",
}
_TARGET_ATTRIBUTES = {
    "deregistrationDelay": "deregistration_delay.timeout_seconds",
    "loadBalancingAlgorithmType": "load_balancing.algorithm.type",
    "loadBalancingAnomalyMitigation": "load_balancing.algorithm.anomaly_mitigation",
    "loadBalancingCrossZoneEnabled": "load_balancing.cross_zone.enabled",
    "slowStart": "slow_start.duration_seconds",
    "stickiness.cookieDuration": "stickiness.lb_cookie.duration_seconds",
    "stickiness.cookieName": "stickiness.app_cookie.cookie_name",
    "stickiness.enabled": "stickiness.enabled",
    "stickiness.type": "stickiness.type",
}
_HEALTH_CHECK = {
    "enabled": "healthCheckEnabled",
    "healthyThreshold": "healthyThresholdCount",
    "interval": "healthCheckIntervalSeconds",
    "matcher": "matcher",
    "path": "healthCheckPath",
    "port": "healthCheckPort",
    "protocol": "healthCheckProtocol",
    "timeout": "healthCheckTimeoutSeconds",
    "unhealthyThreshold": "unhealthyThresholdCount",
}
_ACTIONS = {
    "arn": "TargetGroupArn",
    "authenticateCognito": "AuthenticateCognitoConfig",
    "authenticateOidc": "AuthenticateOidcConfig",
    "duration": "DurationSeconds",
    "fixedResponse": "FixedResponseConfig",
    "forward": "ForwardConfig",
    "redirect": "RedirectConfig",
    "stickiness": "TargetGroupStickinessConfig",
}
_CONDITIONS = {
    "hostHeader": "host-header",
    "httpHeader": "http-header",
    "httpRequestMethod": "http-request-method",
    "pathPattern": "path-pattern",
    "queryStrings": "query-string",
    "sourceIp": "source-ip",
}


def _attributes(values: Values, names: Mapping[str, str]) -> list[dict[str, str]]:
    """Properties that the API takes as a list of keys and values."""
    found = []
    for path, key in names.items():
        value: Any = values
        for step in path.split("."):
            value = (value or {}).get(step)
        if value is not None:
            found.append({"Key": key, "Value": text(value)})
    return found


def _balancer(_: Context, values: Values) -> Values:
    kind = {"type": values["loadBalancerType"]} if values.get("loadBalancerType") else {}
    return {**values, **kind, "scheme": "internal" if values.get("internal") else "internet-facing"}


def _balancer_attributes(ctx: Context, id_: str, old: Values, new: Values) -> None:
    wanted = _attributes(new, _BALANCER_ATTRIBUTES)
    if wanted and wanted != _attributes(old, _BALANCER_ATTRIBUTES):
        ctx.client("elbv2").modify_load_balancer_attributes(LoadBalancerArn=id_, Attributes=wanted)


def _balancer_outputs(ctx: Context, id_: str, _: Values, __: Values) -> Values:
    """The suffix is what CloudWatch's dimension takes."""
    attributes = ctx.client("elbv2").describe_load_balancer_attributes(LoadBalancerArn=id_)["Attributes"]
    seen = {each["Key"]: each["Value"] for each in attributes}
    return {
        "arnSuffix": id_.partition(":loadbalancer/")[2],
        "enableDeletionProtection": seen.get("deletion_protection.enabled") == "true",
    }


def _remove_balancer(ctx: Context, id_: str, outputs: Values) -> None:
    if outputs.get("enableDeletionProtection"):  # moto keeps the attribute and forgets what it means
        message = f"load balancer {outputs['name']} is protected: set enableDeletionProtection to false first"
        raise KindError(message)
    ctx.client("elbv2").delete_load_balancer(LoadBalancerArn=id_)


def _target_group(_: Context, values: Values) -> Values:
    check = values.get("healthCheck") or {}
    flat = {name: check[key] for key, name in _HEALTH_CHECK.items() if check.get(key) is not None}
    if "matcher" in flat:
        flat["matcher"] = {"grpcCode" if values.get("protocolVersion") == "GRPC" else "httpCode": flat["matcher"]}
    return {**values, **flat}


def _target_attributes(ctx: Context, id_: str, old: Values, new: Values) -> None:
    wanted = _attributes(new, _TARGET_ATTRIBUTES)
    if wanted and wanted != _attributes(old, _TARGET_ATTRIBUTES):
        ctx.client("elbv2").modify_target_group_attributes(TargetGroupArn=id_, Attributes=wanted)


def _target_suffix(_: Context, id_: str, __: Values, ___: Values) -> Values:
    """The suffix is what CloudWatch's dimension takes."""
    return {"arnSuffix": id_[id_.index("targetgroup/") :]}


def _listener(_: Context, values: Values) -> Values:
    certificate = values.get("certificateArn")
    return {**values, "certificates": [{"certificateArn": certificate}] if certificate else None}


def _rule(ctx: Context, values: Values) -> Values:
    """Conditions are told by their field; a rule without priority comes last."""
    conditions = []
    for condition in values["conditions"]:
        key = next(key for key in _CONDITIONS if condition.get(key))
        config = {"values": condition[key]} if key == "queryStrings" else condition[key]
        conditions.append({"field": _CONDITIONS[key], f"{key.removesuffix('s')}Config": config})
    priority = values.get("priority")
    if priority is None:
        rules = ctx.client("elbv2").describe_rules(ListenerArn=values["listenerArn"])["Rules"]
        priority = max((int(rule["Priority"]) for rule in rules if not rule["IsDefault"]), default=0) + 1
    return {**values, "conditions": conditions, "priority": priority}


def _set_priority(ctx: Context, id_: str, old: Values, new: Values) -> None:
    if old and new.get("priority") is not None and old.get("priority") != new["priority"]:
        priorities = [{"RuleArn": id_, "Priority": int(new["priority"])}]
        ctx.client("elbv2").set_rule_priorities(RulePriorities=priorities)


def _certificate(_: Context, values: Values) -> Values:
    """Validation options are about e-mail; the API wants a name from a list for each."""
    return {key: value for key, value in values.items() if key != "validationOptions"}


_VALIDATION = (
    "DomainValidationOptions[].{domainName: DomainName, resourceRecordName: ResourceRecord.Name, "
    "resourceRecordType: ResourceRecord.Type, resourceRecordValue: ResourceRecord.Value}"
)

KINDS: Mapping[str, Kind] = {
    "aws:lb/loadBalancer:LoadBalancer": ApiKind(
        service="elbv2",
        make=call("create_load_balancer"),
        prepare=_balancer,
        id="LoadBalancers[0].LoadBalancerArn",
        find=call("describe_load_balancers", LoadBalancerArns=["{id}"]),
        at="LoadBalancers[0]",
        outputs={
            "arn": "LoadBalancerArn",
            "dnsName": "DNSName",
            "vpcId": "VpcId",
            "zoneId": "CanonicalHostedZoneId",
        },
        watched={"internal": "Scheme == 'internal'", "securityGroups": "SecurityGroups"},
        derive=_balancer_outputs,
        derived=("arnSuffix",),
        changes=(
            change("set_security_groups", "securityGroups", LoadBalancerArn="{id}"),
            change("set_subnets", "subnets", LoadBalancerArn="{id}"),
            change("set_ip_address_type", "ipAddressType", LoadBalancerArn="{id}"),
        ),
        settle=_balancer_attributes,
        remove=_remove_balancer,
        named=("name", 32),
        tags="elbv2",
    ),
    "aws:lb/targetGroup:TargetGroup": ApiKind(
        service="elbv2",
        make=call("create_target_group"),
        prepare=_target_group,
        id="TargetGroups[0].TargetGroupArn",
        find=call("describe_target_groups", TargetGroupArns=["{id}"]),
        at="TargetGroups[0]",
        outputs={"arn": "TargetGroupArn"},
        watched={"port": "Port", "protocol": "Protocol"},
        derive=_target_suffix,
        derived=("arnSuffix",),
        changes=(change("modify_target_group", *_HEALTH_CHECK.values(), TargetGroupArn="{id}"),),
        settle=_target_attributes,
        drop=call("delete_target_group", TargetGroupArn="{id}"),
        named=("name", 32),
        tags="elbv2",
    ),
    "aws:lb/listener:Listener": ApiKind(
        service="elbv2",
        make=call("create_listener"),
        prepare=_listener,
        rename=_ACTIONS,
        id="Listeners[0].ListenerArn",
        find=call("describe_listeners", ListenerArns=["{id}"]),
        at="Listeners[0]",
        outputs={"arn": "ListenerArn"},
        watched={"port": "Port", "protocol": "Protocol", "sslPolicy": "SslPolicy"},
        changes=(change("modify_listener", ListenerArn="{id}"),),
        drop=call("delete_listener", ListenerArn="{id}"),
        tags="elbv2",
    ),
    "aws:lb/listenerRule:ListenerRule": ApiKind(
        service="elbv2",
        make=call("create_rule"),
        prepare=_rule,
        rename=_ACTIONS,
        id="Rules[0].RuleArn",
        find=call("describe_rules", RuleArns=["{id}"]),
        at="Rules[0]",
        outputs={"arn": "RuleArn"},
        watched={"priority": "to_number(Priority)"},
        changes=(change("modify_rule", "actions", "conditions", RuleArn="{id}"),),
        settle=_set_priority,
        drop=call("delete_rule", RuleArn="{id}"),
        tags="elbv2",
    ),
    "aws:acm/certificate:Certificate": ApiKind(
        service="acm",
        make=call("request_certificate"),
        prepare=_certificate,
        id="CertificateArn",
        find=call("describe_certificate", CertificateArn="{id}"),
        at="Certificate",
        outputs={"arn": "CertificateArn", "domainValidationOptions": _VALIDATION, "type": "Type"},
        watched={"domainName": "DomainName"},
        drop=call("delete_certificate", CertificateArn="{id}"),
        tags="acm",
    ),
    # Nothing of its own: it waits until the certificate is issued, which moto's is at once.
    "aws:acm/certificateValidation:CertificateValidation": ApiKind(
        service="acm",
        make=call("describe_certificate", CertificateArn="{certificateArn}"),
        id="={certificateArn}",
        find=call("describe_certificate", CertificateArn="{certificateArn}"),
        at="Certificate",
    ),
}
