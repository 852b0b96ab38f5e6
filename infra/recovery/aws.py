"""Ids that only AWS knows, of what carries no tag: asked for by what the inputs name.

Never run against a real account.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

Client = Callable[[str, str], Any]
"""Makes a boto3 client, of a service and a region."""

ROUTE: Final = "aws:ec2/route:Route"
ASSOCIATION: Final = "aws:ec2/routeTableAssociation:RouteTableAssociation"
PARTS: Final = frozenset({ROUTE, ASSOCIATION})
"""Parts of one object that the stack made: what is there is the stack's, whether a creation is known of or not."""
DESTINATIONS: Final[Mapping[str, str]] = {
    "destinationCidrBlock": "DestinationCidrBlock",
    "destinationIpv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
}


def ask(type_: str, inputs: Mapping[str, Any], client: Client) -> str:
    """The id of an object with these inputs, if it exists; empty if not, or for types that have no such question."""
    question = QUESTIONS.get(type_)
    return question(inputs, client) if question else ""


def _version(inputs: Mapping[str, Any], client: Client) -> str:
    """A secret's current one."""
    secret = inputs["secretId"]
    staged = client("secretsmanager", inputs["region"]).describe_secret(SecretId=secret).get("VersionIdsToStages", {})
    return next((f"{secret}|{version}" for version, stages in staged.items() if "AWSCURRENT" in stages), "")


def _route(inputs: Mapping[str, Any], client: Client) -> str:
    """A table has one to a destination. The id is that of pulumi-aws's import section."""
    wanted = {theirs: inputs[own] for own, theirs in DESTINATIONS.items() if inputs.get(own)}
    table = inputs["routeTableId"]
    routes = (route for one in _tables(inputs, client, "route-table-id", table) for route in one["Routes"])
    return next((f"{table}_{to}" for to in wanted.values() if any(wanted.items() <= one.items() for one in routes)), "")


def _association(inputs: Mapping[str, Any], client: Client) -> str:
    """A subnet has one; one with another table is somebody else's, and a gateway's is not looked for."""
    if not inputs.get("subnetId"):
        return ""
    wanted = {"SubnetId": inputs["subnetId"], "RouteTableId": inputs["routeTableId"]}
    tables = _tables(inputs, client, "association.subnet-id", wanted["SubnetId"])
    links = (link for one in tables for link in one["Associations"])
    return next((str(link["RouteTableAssociationId"]) for link in links if wanted.items() <= link.items()), "")


def _tables(inputs: Mapping[str, Any], client: Client, name: str, value: str) -> list[dict[str, Any]]:
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRouteTables.html."""
    asked = client("ec2", inputs["region"]).describe_route_tables(Filters=[{"Name": name, "Values": [value]}])
    tables: list[dict[str, Any]] = asked["RouteTables"]
    return tables


QUESTIONS: Final[Mapping[str, Callable[[Mapping[str, Any], Client], str]]] = {
    "aws:secretsmanager/secretVersion:SecretVersion": _version,
    ROUTE: _route,
    ASSOCIATION: _association,
}
