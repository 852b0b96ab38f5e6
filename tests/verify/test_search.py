"""Search engine and partners' API in an account: right ones hold, and each thing that can be wrong is found."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from moto import backend_index

from infra.local.aws.moto_setup import prepare_moto
from infra.verify import search
from infra.verify.facts import Clients, Probe, Scope, Verdict
from stacks import phase_10k, phase_250k

REGION = "us-east-1"
KEY = f"arn:aws:kms:{REGION}:123456789012:key/1"
SUBNETS = ["subnet-a", "subnet-b", "subnet-c"]
LOGS = ("AUDIT_LOGS", "ES_APPLICATION_LOGS", "INDEX_SLOW_LOGS", "SEARCH_SLOW_LOGS")
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module", autouse=True)
def http_apis() -> Iterator[None]:
    """HTTP APIs are answered only once moto is told to."""
    before = list(backend_index.backend_url_patterns)
    prepare_moto()
    yield
    backend_index.backend_url_patterns[:] = before


class Account:
    """What 250k has, made with boto3 alone."""

    def __init__(self, endpoint: str) -> None:
        self.clients = Clients(endpoint)
        self.name = f"search-{next(_NUMBERS)}"
        self.domain = f"{self.name}.example.com"
        self.outputs: dict[str, Any] = {
            "searchDomain": self.name,
            "keyArns": {"data": KEY},
            "partnerApiId": self._api(),
        }
        self._search()

    def client(self, service: str) -> Any:
        return self.clients.get(service, REGION)

    def scope(self) -> Scope:
        return Scope(
            region=REGION,
            outputs=self.outputs,
            phase=phase_250k.EFFICIENT,
            domain=self.domain,
            protected=True,
            clients=self.clients,
            local=True,
        )

    def _search(self) -> None:
        size = phase_250k.EFFICIENT.search
        assert size is not None
        self.cluster = {
            "InstanceType": size.instance_type,
            "InstanceCount": size.nodes,
            "ZoneAwarenessEnabled": True,
            "ZoneAwarenessConfig": {"AvailabilityZoneCount": 3},
        }
        self.client("opensearch").create_domain(
            DomainName=self.name,
            ClusterConfig=self.cluster,
            EBSOptions={"EBSEnabled": True, "VolumeType": "gp3", "VolumeSize": size.storage_gib},
            EncryptionAtRestOptions={"Enabled": True, "KmsKeyId": KEY},
            NodeToNodeEncryptionOptions={"Enabled": True},
            DomainEndpointOptions={"EnforceHTTPS": True, "TLSSecurityPolicy": "Policy-Min-TLS-1-2-PFS-2023-10"},
            AdvancedSecurityOptions={"Enabled": True, "InternalUserDatabaseEnabled": False},
            VPCOptions={"SubnetIds": SUBNETS},
            LogPublishingOptions={
                kind: {"CloudWatchLogsLogGroupArn": f"arn:aws:logs:::{kind}", "Enabled": True} for kind in LOGS
            },
        )

    def change(self, **options: Any) -> None:
        self.client("opensearch").update_domain_config(DomainName=self.name, **options)

    def _api(self) -> str:
        client = self.client("apigatewayv2")
        api_id = client.create_api(Name=self.name, ProtocolType="HTTP", DisableExecuteApiEndpoint=True)["ApiId"]
        for route in ("ANY /api/{proxy+}", "ANY /webhooks/{proxy+}"):
            client.create_route(ApiId=api_id, RouteKey=route)
        host = f"partners.{self.domain}"
        client.create_domain_name(DomainName=host, DomainNameConfigurations=[{"EndpointType": "REGIONAL"}])
        client.create_api_mapping(ApiId=api_id, DomainName=host, Stage="$default")
        return str(api_id)


@pytest.fixture
def account(endpoint: str) -> Account:
    return Account(endpoint)


def _wrong(probes: Iterator[Probe]) -> list[str]:
    facts = [fact for probe in probes for fact in probe.facts()]
    assert facts
    return [fact.what for fact in facts if fact.verdict is Verdict.DIFFERS]


def test_a_right_account_holds(account: Account) -> None:
    assert _wrong(search.search(account.scope())) == []
    assert _wrong(search.partner_api(account.scope())) == []


BREAKS: dict[str, Callable[[Account], None]] = {
    "type": lambda it: it.change(ClusterConfig={**it.cluster, "InstanceType": "t3.small.search"}),
    "nodes": lambda it: it.change(ClusterConfig={**it.cluster, "InstanceCount": 1}),
    "over three zones": lambda it: it.change(
        ClusterConfig={**it.cluster, "ZoneAwarenessConfig": {"AvailabilityZoneCount": 2}}
    ),
    "storage of a node": lambda it: it.change(EBSOptions={"EBSEnabled": True, "VolumeType": "gp3", "VolumeSize": 10}),
    "encrypted with the stack's key": lambda it: it.change(
        EncryptionAtRestOptions={"Enabled": True, "KmsKeyId": "arn:aws:kms:::key/2"}
    ),
    "encrypted between nodes": lambda it: it.change(NodeToNodeEncryptionOptions={"Enabled": False}),
    "HTTPS only": lambda it: it.change(
        DomainEndpointOptions={"EnforceHTTPS": False, "TLSSecurityPolicy": "Policy-Min-TLS-1-2-2019-07"}
    ),
    "TLS": lambda it: it.change(
        DomainEndpointOptions={"EnforceHTTPS": True, "TLSSecurityPolicy": "Policy-Min-TLS-1-0-2019-07"}
    ),
    "passwords": lambda it: it.change(AdvancedSecurityOptions={"Enabled": True, "InternalUserDatabaseEnabled": True}),
    "subnets in the VPC": lambda it: it.change(VPCOptions={"SubnetIds": ["subnet-x"]}),
    "logs": lambda it: it.change(LogPublishingOptions={"AUDIT_LOGS": {"Enabled": False}}),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_wrong_domain_is_found(what: str, account: Account) -> None:
    BREAKS[what](account)
    assert _wrong(search.search(account.scope())) == [what]


def test_a_way_around_the_products_own_address_is_found(account: Account) -> None:
    account.client("apigatewayv2").update_api(ApiId=account.outputs["partnerApiId"], DisableExecuteApiEndpoint=False)
    assert _wrong(search.partner_api(account.scope())) == ["AWS's own address"]


def test_another_way_in_is_found(account: Account) -> None:
    account.client("apigatewayv2").create_route(ApiId=account.outputs["partnerApiId"], RouteKey="ANY /{proxy+}")
    assert _wrong(search.partner_api(account.scope())) == ["routes"]


def test_a_phase_without_them_asks_nothing() -> None:
    scope = Scope(region=REGION, outputs={}, phase=phase_10k.EFFICIENT, domain="a", protected=True)
    assert [*search.search(scope), *search.partner_api(scope)] == []
