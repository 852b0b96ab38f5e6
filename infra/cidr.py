"""The address plan: pure arithmetic, and the same in every phase, because AWS changes no CIDR that is in use.

One /14 holds four regions of a /16. Inside a region:

```
.0.0/17    private   three /19 (8,187 addresses a zone) and a fourth one free
.128.0/18  data      three /22 (1,019 a zone)
           public    three /24 (251 a zone), after the data subnets
.192.0/18  a quarter of the VPC, kept free for what nobody thought of
```

Pods are what needs addresses: EKS gives each one an address of the VPC, in Auto Mode by whole /28 blocks with a
warm one in reserve, so a node costs 33 addresses or more, and a crowded subnet fails from fragmentation before it is
full. A /19 carries about 240 such nodes a zone; 1m needs tens. Data subnets hold one address a database, cache node
or search node, and twice that while OpenSearch changes by blue and green. A load balancer takes up to 100
addresses when it scales, over all of its subnets, and wants a /27 with 8 free in each.
Sources: https://docs.aws.amazon.com/eks/latest/userguide/auto-networking.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network

REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "ap-southeast-1")
"""Supported regions. The position is the /16 a region has for ever: append, never reorder."""
DEFAULT_NETWORK = "10.64.0.0/14"
NETWORK_PREFIX = 14
ZONES = 3
"""Zones a region: what EKS, RDS Multi-AZ and a quorum of OpenSearch nodes want, and what every region has."""

_PODS_PREFIX, _PRIVATE_PREFIX, _DATA_PREFIX, _PUBLIC_PREFIX = 17, 19, 22, 24
_PRIVATE_OFFSET, _DATA_OFFSET, _PUBLIC_OFFSET = 0, 128 * 256, 144 * 256


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """CIDRs of one region; each tier has one subnet a zone, in the order of the zones."""

    vpc: str
    public: tuple[str, str, str]
    private: tuple[str, str, str]
    data: tuple[str, str, str]

    @property
    def pods(self) -> str:
        """One block over all private subnets, for rules that other regions have about this one's pods."""
        return str(next(ip_network(self.vpc).subnets(new_prefix=_PODS_PREFIX)))


def region_plan(network: str, region: str) -> RegionPlan:
    """Addresses of `region` inside `network` (a /14, see `infra.config`).

    Raises:
        ValueError: `region` is not one of `REGIONS`, or `network` is no aligned /14.
    """
    whole = ip_network(network)
    if not isinstance(whole, IPv4Network) or whole.prefixlen != NETWORK_PREFIX:
        msg = f"{network} is not an IPv4 /{NETWORK_PREFIX}"
        raise ValueError(msg)
    start = int(whole.network_address) + REGIONS.index(region) * 2**16

    def tier(offset: int, prefix: int) -> tuple[str, str, str]:
        one, two, three = (
            str(IPv4Network((start + offset + zone * 2 ** (32 - prefix), prefix))) for zone in range(ZONES)
        )
        return one, two, three

    return RegionPlan(
        vpc=str(IPv4Network((start, 16))),
        public=tier(_PUBLIC_OFFSET, _PUBLIC_PREFIX),
        private=tier(_PRIVATE_OFFSET, _PRIVATE_PREFIX),
        data=tier(_DATA_OFFSET, _DATA_PREFIX),
    )
