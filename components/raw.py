"""Cloudflare and Kubernetes resources, registered by token with plain dictionaries.

The typed SDKs cost what a whole plan may take: `pulumi_cloudflare` 2 to 5 s and 380 MB to import,
`pulumi_kubernetes` types half a second a group. The engine and the official plugins see the same
registration either way: token, camelCase properties, plugin version. What the types would have
caught, tests catch: each token and property sent is looked up in the installed SDKs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any, ClassVar, Literal

import pulumi

Manifest = Mapping[str, Any]
"""A Kubernetes object as `kubectl` knows it; any value may be an `Output`."""


@cache
def sdk_version(package: str) -> str:
    """Version of an installed SDK, which is the version of the plugin that it wants."""
    return version(package)


class _Raw(pulumi.CustomResource):
    PACKAGE: ClassVar[str]

    def __init__(
        self, token: str, name: str, properties: Mapping[str, Any], opts: pulumi.ResourceOptions | None
    ) -> None:
        defaults = pulumi.ResourceOptions(version=sdk_version(self.PACKAGE))
        super().__init__(token, name, dict(properties), pulumi.ResourceOptions.merge(defaults, opts))


class CloudflareResource(_Raw):
    """One Cloudflare resource; `kind` is its name in the SDK, such as `DnsRecord`."""

    PACKAGE: ClassVar[str] = "pulumi-cloudflare"

    def __init__(
        self,
        kind: str,
        name: str,
        properties: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Register it; a property that is None is not sent."""
        super().__init__(f"cloudflare:index/{kind[0].lower()}{kind[1:]}:{kind}", name, properties, opts)


def dns_record(
    name: str,
    *,
    zone_id: pulumi.Input[str],
    host: pulumi.Input[str],
    kind: Literal["CNAME", "NS"],
    content: pulumi.Input[str],
    proxied: bool,
    comment: str,
    opts: pulumi.ResourceOptions | None = None,
) -> CloudflareResource:
    """One DNS record.

    Args:
        name: logical name.
        zone_id: Cloudflare's id of the zone.
        host: full name without a trailing dot: Cloudflare stores it so, anything else differs for ever
            (https://github.com/cloudflare/terraform-provider-cloudflare/issues/5620 and 7286).
        kind: record type.
        content: target, likewise without a trailing dot.
        proxied: through Cloudflare's edge; its time to live is then automatic (1), otherwise five minutes.
        comment: shown in Cloudflare's dashboard.
        opts: resource options.
    """
    properties = {
        "zoneId": zone_id,
        "name": host,
        "type": kind,
        "content": content,
        "ttl": 1 if proxied else 300,
        "proxied": proxied,
        "comment": comment,
    }
    return CloudflareResource("DnsRecord", name, properties, opts)


def zone_setting(
    name: str,
    *,
    zone_id: pulumi.Input[str],
    setting: str,
    value: object,
    opts: pulumi.ResourceOptions | None = None,
) -> CloudflareResource:
    """One setting of a zone. Deleting it only forgets it: Cloudflare keeps the value."""
    properties = {"zoneId": zone_id, "settingId": setting, "value": value}
    return CloudflareResource("ZoneSetting", name, properties, opts)


def ruleset(
    name: str,
    *,
    zone_id: pulumi.Input[str],
    title: str,
    phase: str,
    rules: Sequence[Mapping[str, Any]],
    opts: pulumi.ResourceOptions | None = None,
) -> CloudflareResource:
    """All rules of one Cloudflare phase; a zone has one such ruleset a phase, so it owns the phase."""
    properties = {"zoneId": zone_id, "name": title, "kind": "zone", "phase": phase, "rules": list(rules)}
    return CloudflareResource("Ruleset", name, properties, opts)


def tiered_cache(
    name: str, *, zone_id: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
) -> CloudflareResource:
    """Smart Tiered Cache on: data centres ask one upper tier near the origin instead of the origin."""
    return CloudflareResource("TieredCache", name, {"zoneId": zone_id, "value": "on"}, opts)


def cloudflare_ip_ranges(opts: pulumi.InvokeOptions | None = None) -> pulumi.Output[dict[str, list[str]]]:
    """Addresses that Cloudflare's proxy connects from: `ipv4Cidrs` and `ipv6Cidrs`, among others."""
    defaults = pulumi.InvokeOptions(version=sdk_version("pulumi-cloudflare"))
    return pulumi.runtime.invoke_output(
        "cloudflare:index/getIpRanges:getIpRanges", {}, opts=pulumi.InvokeOptions.merge(defaults, opts)
    )


class KubernetesObject(_Raw):
    """One Kubernetes object of any kind, custom ones too."""

    PACKAGE: ClassVar[str] = "pulumi-kubernetes"

    metadata: pulumi.Output[Any]
    """As a dictionary: `.metadata["name"]`."""


def kubernetes_token(manifest: Manifest) -> str:
    """Pulumi's type token of `manifest`: `kubernetes:core/v1:Namespace`, `kubernetes:karpenter.sh/v1:NodePool`."""
    api_version: str = manifest["apiVersion"]
    group_version = api_version if "/" in api_version else f"core/{api_version}"
    return f"kubernetes:{group_version}:{manifest['kind']}"


def kubernetes_object(name: str, manifest: Manifest, opts: pulumi.ResourceOptions | None = None) -> KubernetesObject:
    """Register `manifest` under logical name `name`.

    `opts` must bring the Kubernetes provider (or a parent that has it). Without `metadata.name`
    Pulumi names the object itself. As in the typed SDK, all data of a Secret is secret in the state.
    """
    if (manifest["apiVersion"], manifest["kind"]) == ("v1", "Secret"):
        secret = pulumi.ResourceOptions(additional_secret_outputs=["data", "stringData"])
        opts = pulumi.ResourceOptions.merge(opts, secret)
    return KubernetesObject(kubernetes_token(manifest), name, manifest, opts)


def helm_release(
    name: str,
    *,
    release: str,
    namespace: str,
    chart: str,
    version: str,
    repository: str,
    values: Mapping[str, Any],
    opts: pulumi.ResourceOptions | None = None,
) -> KubernetesObject:
    """Install one version of a Helm chart; its pods are waited for.

    Args:
        name: logical name.
        release: Helm's name of it.
        namespace: where it goes; it must exist.
        chart: name in the repository.
        version: exact.
        repository: URL of the chart's repository.
        values: what differs from the chart's own.
        opts: resource options, with the cluster's provider.
    """
    properties = {
        "name": release,
        "namespace": namespace,
        "chart": chart,
        "version": version,
        "repositoryOpts": {"repo": repository},
        "values": dict(values),
        "atomic": True,
        "timeout": 600,
    }
    return KubernetesObject("kubernetes:helm.sh/v3:Release", name, properties, opts)
