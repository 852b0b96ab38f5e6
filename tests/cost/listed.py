"""Answers of AWS's Price List API, of the shape that AWS documents and sends."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def product(usage: str, usd: str | Sequence[tuple[str, str]], unit: str = "Hrs", **attributes: str) -> str:
    """One string of `PriceList`: https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html."""
    tiers = [("0", usd)] if isinstance(usd, str) else usd
    ends = [*(start for start, _ in tiers[1:]), "Inf"]
    family = attributes.pop("productFamily", "Database Instance")
    return json.dumps(
        {
            "product": {
                "productFamily": family,
                "attributes": {
                    "usagetype": usage,
                    "regionCode": "us-east-1",
                    "locationType": "AWS Region",
                    **attributes,
                },
                "sku": "2223B6PCG6QAUYY6",
            },
            "serviceCode": "AmazonRDS",
            "terms": {
                "OnDemand": {
                    "2223B6PCG6QAUYY6.JRTCKXETXF": {
                        "priceDimensions": {
                            f"2223B6PCG6QAUYY6.JRTCKXETXF.{number}": {
                                "unit": unit,
                                "beginRange": start,
                                "endRange": end,
                                "description": "$0.45 per hour",
                                "appliesTo": [],
                                "rateCode": f"2223B6PCG6QAUYY6.JRTCKXETXF.{number}",
                                "pricePerUnit": {"USD": price},
                            }
                            for number, ((start, price), end) in enumerate(zip(tiers, ends, strict=True))
                        },
                        "sku": "2223B6PCG6QAUYY6",
                        "effectiveDate": "2026-11-01T00:00:00Z",
                        "offerTermCode": "JRTCKXETXF",
                        "termAttributes": {},
                    }
                },
                "Reserved": {
                    "2223B6PCG6QAUYY6.38NPMPTW36": {
                        "priceDimensions": {
                            "2223B6PCG6QAUYY6.38NPMPTW36.2TG2D8R56U": {
                                "unit": "Quantity",
                                "description": "Upfront Fee",
                                "pricePerUnit": {"USD": "2500"},
                            }
                        },
                        "termAttributes": {"LeaseContractLength": "3yr", "PurchaseOption": "Partial Upfront"},
                    }
                },
            },
            "version": "20261112000000",
            "publicationDate": "2026-11-12T00:00:00Z",
        }
    )


class Answers:
    """The API with the same products for every question, filtered as AWS filters."""

    def __init__(self, *products: str) -> None:
        self.products = products
        self.asked: list[tuple[str, dict[str, str]]] = []

    def get_products(self, *, ServiceCode: str, Filters: list[dict[str, str]], **_: object) -> dict[str, Any]:  # noqa: N803
        wanted = {one["Field"]: one["Value"] for one in Filters}
        self.asked.append((ServiceCode, wanted))
        return {"PriceList": [one for one in self.products if _fits(one, wanted)]}


def _fits(text: str, wanted: Mapping[str, str]) -> bool:
    found = json.loads(text)["product"]
    attributes = {**found["attributes"], "productFamily": found["productFamily"]}
    return all(attributes.get(name, value) == value for name, value in wanted.items())
