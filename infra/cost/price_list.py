"""AWS's own price list, as its API gives it.

Only on-demand prices are read: the book holds what a stack costs without commitments.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from infra.errors import UserError

ENDPOINT: Final = "us-east-1"
"""The API has three endpoints, each with the prices of all regions.

https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html
"""
ATTEMPTS: Final = 8
"""Of each request: a whole refresh asks a few hundred pages of an API that throttles."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A price from so many units a month on.

    Attributes:
        above: units below it are charged by the tiers before.
        usd: of one unit.
    """

    above: Decimal
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that is sold in one region.

    Attributes:
        attributes: what describes it, such as `usagetype` and `instanceType`, and its `productFamily`.
        unit: what is counted, in AWS's spelling, such as `Hrs` or `GB-Mo`.
        tiers: lowest first.
    """

    attributes: Mapping[str, str]
    unit: str
    tiers: tuple[Tier, ...]


def client() -> Any:
    """A client of the API with the caller's credentials; it waits and asks again where it is throttled."""
    import boto3
    from botocore.config import Config

    retries = {"mode": "standard", "max_attempts": ATTEMPTS}
    return boto3.client("pricing", region_name=ENDPOINT, config=Config(retries=retries, connect_timeout=10))


class PriceList:
    """The list, asked once for each question."""

    def __init__(self, api: Any) -> None:
        """Take a boto3 client of `pricing`."""
        self._api = api
        self._known: dict[tuple[str, frozenset[tuple[str, str]]], tuple[Offer, ...]] = {}

    def offers(self, service: str, filters: Mapping[str, str]) -> tuple[Offer, ...]:
        """All on-demand offers of a service that have these attributes.

        Raises:
            UserError: the API cannot be asked, or answers what it never did.
        """
        question = (service, frozenset(filters.items()))
        if question not in self._known:
            self._known[question] = tuple(self._ask(service, filters))
        return self._known[question]

    def _ask(self, service: str, filters: Mapping[str, str]) -> list[Offer]:
        from botocore.exceptions import BotoCoreError, ClientError

        wanted = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in sorted(filters.items())]
        found: list[Offer] = []
        page: dict[str, str] = {}
        try:
            while True:
                answer = self._api.get_products(
                    ServiceCode=service, Filters=wanted, FormatVersion="aws_v1", MaxResults=100, **page
                )
                found += [offer for product in answer["PriceList"] for offer in read(product)]
                # The last page has no token, or an empty one.
                if not answer.get("NextToken"):
                    return found
                page = {"NextToken": answer["NextToken"]}
        except (BotoCoreError, ClientError) as error:
            raise _told(error) from error


def read(product: str) -> list[Offer]:
    """The on-demand offers of one product; one that is only sold by reservation has none.

    Args:
        product: JSON, as in `PriceList` of GetProducts' answer.

    Raises:
        UserError: it is not what the API has always answered.
    """
    try:
        whole = json.loads(product)
        attributes = {**whole["product"]["attributes"], "productFamily": whole["product"].get("productFamily", "")}
        return [_offer(attributes, term) for term in whole.get("terms", {}).get("OnDemand", {}).values()]
    except (ValueError, KeyError, TypeError, ArithmeticError, AttributeError) as error:
        msg = f"the Price List API answers in a form that is not known: {product[:120]}"
        raise UserError(msg) from error


def _offer(attributes: Mapping[str, str], term: Mapping[str, Any]) -> Offer:
    rows = list(term["priceDimensions"].values())
    tiers = sorted(
        (Tier(Decimal(row["beginRange"]), Decimal(row["pricePerUnit"]["USD"])) for row in rows),
        key=lambda tier: tier.above,
    )
    return Offer(attributes, rows[0]["unit"], tuple(tiers))


def _told(error: Exception) -> UserError:
    """What went wrong, and the mend."""
    from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError

    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return UserError(
            "the Price List API wants AWS credentials, and there are none",
            ["log in with `aws sso login`, or set AWS_PROFILE; the one permission it takes is pricing:GetProducts"],
        )
    if not isinstance(error, ClientError):
        return UserError(f"the Price List API cannot be asked: {error}")
    code = error.response.get("Error", {}).get("Code", "")
    if code == "AccessDeniedException":
        mend = "allow pricing:GetProducts on all resources to whoever asks"
    elif code == "ThrottlingException":
        mend = f"it was asked {ATTEMPTS} times; wait a few minutes and run the command again"
    elif code in {"ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException"}:
        mend = "the credentials are not valid (any more): log in again"
    else:
        mend = "nothing was changed; run the command again"
    return UserError(f"the Price List API refuses: {error}", [mend])
