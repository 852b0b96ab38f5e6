"""Configurations that are wrong: what is changed in a right one, and what the message must hold."""

from __future__ import annotations

from dataclasses import dataclass

GOOD = {
    "aws:region": "us-east-1",
    "headroom:phase": "10k",
    "headroom:environment": "production",
    "headroom:domain": "example.com",
    "headroom:owner": "platform",
    "headroom:costCenter": "product",
    "headroom:alertEmails": '["oncall@example.com"]',
    "headroom:cloudflareZoneId": "0" * 32,
}
"""A configuration that is right."""
SECRET = "https://hooks.example.com/planted-7f3a9"


@dataclass(frozen=True)
class Bad:
    """One wrong configuration.

    Attributes:
        sentence: what the user did.
        changes: keys and their values; None takes a key away.
        says: fragments of the message, all of which must be there.
        problems: how many there are to tell.
        encrypted: keys that are stored as secrets.
        between: no single value is wrong, so a schema cannot know.
    """

    sentence: str
    changes: dict[str, str | None]
    says: tuple[str, ...]
    problems: int = 1
    encrypted: frozenset[str] = frozenset()
    between: bool = False


def _one(sentence: str, key: str, value: str | None, *says: str, between: bool = False, problems: int = 1) -> Bad:
    return Bad(sentence, {f"headroom:{key}" if ":" not in key else key: value}, says, problems, between=between)


def _phase(sentence: str, name: str, overrides: str, *says: str, between: bool = False, problems: int = 1) -> Bad:
    changes: dict[str, str | None] = {"headroom:phase": name, "headroom:overrides": overrides}
    return Bad(sentence, changes, says, problems, between=between)


BAD = [
    _one("a required key is missing", "domain", None, "headroom:domain is missing", "headroom:domain example.com"),
    _one("a required list is missing", "alertEmails", None, "--path 'headroom:alertEmails[0]' oncall@example.com"),
    _one("the phase is unknown", "phase", "100k", "= '100k' must be one of 10k, 50k, 250k, 1m"),
    _one("the phase is in upper case", "phase", "250K", "headroom:phase 250k --stack prod"),
    _one("the sizing is unknown", "sizing", "eficient", "efficient, blueprint", "headroom:sizing efficient"),
    _one("the environment is unknown", "environment", "prod", "production, staging, development"),
    _one("a key is misspelt", "domian", "x", "headroom:domian is no key", "did you mean headroom:domain?", "config rm"),
    _one(
        "an override is written as one key",
        "overrides.database.multiAz",
        "false",
        "headroom:overrides.database.multiAz is no key",
        "pulumi config rm headroom:overrides.database.multiAz --stack prod",
    ),
    _one("a key is in snake case", "cost_center", "x", "did you mean headroom:costCenter?"),
    _one("a key is like no other", "zzz", "x", "the keys are phase, sizing, environment", "config rm headroom:zzz"),
    _one(
        "the namespace is misspelt",
        "headrom:phase",
        "10k",
        "headrom:phase is no key",
        "did you mean headroom:phase?",
        between=True,
    ),
    _one("the domain is an address", "domain", "https://Example.com/", "registered host name", "domain example.com"),
    _one("the domain has one label", "domain", "localhost", "registered host name"),
    _one("the domain is an IP address", "domain", "192.0.2.1", "registered host name"),
    _one("the domain has an underscore", "domain", "my_shop.com", "registered host name"),
    _one(
        "the domain is a host of the domain",
        "domain",
        "www.example.com",
        "without www.",
        "domain example.com",
        between=True,
    ),
    _one(
        "the domain is too long for a certificate",
        "domain",
        f"{'a' * 50}.example.com",
        "57 characters or less",
        between=True,
    ),
    _one("the owner is empty", "owner", "", "headroom:owner = ''", "tag value"),
    _one("the owner has a character that tags refuse", "owner", "R&D", "= 'R&D'", "tag value"),
    _one("a list is given as text", "alertEmails", "oncall@example.com", "must be a list of 1 to 10 e-mail addresses"),
    _one("a list is empty", "alertEmails", "[]", "must be a list of 1 to 10 e-mail addresses"),
    _one("a list is too long", "alertEmails", str([f"a{n}@b.co" for n in range(11)]).replace("'", '"'), "1 to 10"),
    _one(
        "an item of a list is wrong",
        "alertEmails",
        '["a@b.co", "nobody"]',
        "alertEmails[1] = 'nobody'",
        "alertEmails[1]'",
    ),
    _one("an item of a list is a number", "alertEmails", '["a@b.co", 7]', "alertEmails[1] = 7 must be text"),
    _one("an item of a list is there twice", "alertEmails", '["a@b.co", "a@b.co"]', "alertEmails[1]", "is there twice"),
    _one("a list is a group", "regions", '{"home": "us-east-1"}', "must be a list of regions, home first"),
    _one("an id is too short", "cloudflareZoneId", "abc123", "32 hexadecimal digits"),
    _one("an id is in upper case", "cloudflareZoneId", "ABCDEF" * 5 + "00", "32 hexadecimal digits"),
    _one("the image is by tag", "image", "registry.example.com/product:latest", "by digest", "another image tomorrow"),
    _one("the image's digest is cut", "image", "product@sha256:abc", "64 hexadecimal digits"),
    _one(
        "a role is a session",
        "operatorRoleArns",
        '["arn:aws:sts::123456789012:assumed-role/a/b"]',
        "no assumed session",
    ),
    _one("a role is a user", "operatorRoleArns", '["arn:aws:iam::123456789012:user/ann"]', "no user"),
    _one(
        "the cluster is open to the world", "clusterAccessCidrs", '["0.0.0.0/0"]', "is open to the world", between=True
    ),
    _one(
        "the cluster is open to both halves of the world",
        "clusterAccessCidrs",
        '["0.0.0.0/1", "128.0.0.0/1"]',
        "clusterAccessCidrs[0]",
        "clusterAccessCidrs[1]",
        between=True,
        problems=2,
    ),
    _one(
        "a network has host bits", "clusterAccessCidrs", '["203.0.113.7/24"]', "network is 203.0.113.0/24", between=True
    ),
    _one("a network is private", "clusterAccessCidrs", '["10.1.0.0/16"]', "overlaps 10.0.0.0/8", between=True),
    _one("a network has an octet of 300", "clusterAccessCidrs", '["300.0.0.0/16"]', "is no IPv4 network", between=True),
    _one("a network is not IPv4", "clusterAccessCidrs", '["2001:db8::/32"]', "an IPv4 network in CIDR notation"),
    _one("the address space is too small", "networkCidr", "10.0.0.0/16", "must be a /14", between=True),
    _one("the address space is public", "networkCidr", "8.0.0.0/14", "must be private", between=True),
    _one("the address space is not aligned", "networkCidr", "10.1.0.0/14", "the network is 10.0.0.0/14", between=True),
    _one(
        "the address space is EKS's own", "networkCidr", "10.100.0.0/14", "must not overlap 10.100.0.0/16", between=True
    ),
    _one("a zone does not exist", "availabilityZones", '["eu-west-1d"]', "eu-west-1 has the zones a, b, c", problems=1),
    _one(
        "a region has two zones", "availabilityZones", '["us-east-1a", "us-east-1b"]', "three different", between=True
    ),
    _one(
        "zones are named where the stack is not",
        "availabilityZones",
        '["us-west-2a", "us-west-2b", "us-west-2d"]',
        "this stack has nothing: its regions are us-east-1",
        between=True,
    ),
    _one("a cached path is not below the API", "anonymousApiPaths", '["/admin"]', "a path below /api/"),
    _one("an origin has a path", "allowedOrigins", '["https://app.example.com/"]', "no slash at the end"),
    _one("an origin is not encrypted", "allowedOrigins", '["http://a.example.com"]', "must be https://", between=True),
    _one("the region is missing", "aws:region", None, "aws:region is missing: the home region, us-east-1"),
    _one(
        "the region is not the phase's", "aws:region", "us-west-2", "must be the home region, us-east-1", between=True
    ),
    _one("a region is unknown", "regions", '["us-east-2"]', "us-east-1, us-west-2, eu-west-1, ap-southeast-1"),
    _one(
        "there are more regions than the phase has",
        "regions",
        '["us-east-1", "us-west-2"]',
        "must have 1",
        between=True,
    ),
    Bad(
        "the home region is the one that reads",
        {"headroom:phase": "250k", "headroom:regions": '["eu-west-1"]', "aws:region": "eu-west-1"},
        ("headroom:overrides.readRegions[0]", "eu-west-1 appears twice"),
        between=True,
    ),
    _one("slots are no range", "slots", '["128=255=1"]', "must be slots=shard, such as 128-255=1"),
    _one(
        "a slot is beyond the last",
        "slots",
        '["200-300=1"]',
        "must be slots=shard, such as 128-255=1, slots from 0 to 255",
    ),
    _one(
        "a slot is on a shard that the phase has not",
        "slots",
        '["128-255=1"]',
        "shard 1, but the phase has 1",
        between=True,
    ),
    Bad(
        "a slot is there twice",
        {"headroom:phase": "250k", "headroom:slots": '["100-200=1", "150=0"]'},
        ("headroom:slots[1] = '150=0' has a slot that 100-200=1 has too", "config rm --path 'headroom:slots[1]'"),
        between=True,
    ),
    _one("green has no pods", "greenShare", "10", "phase 10k releases by a rolling update", between=True),
    Bad(
        "green would answer more than everything",
        {"headroom:phase": "250k", "headroom:greenShare": "101"},
        ("headroom:greenShare = '101' must be a percentage, 0 to 100",),
    ),
    Bad(
        "the phase needs an account at Cloudflare",
        {"headroom:phase": "1m"},
        ("headroom:cloudflareAccountId is missing", "edge workers"),
        between=True,
    ),
    Bad(
        "a model has neither container nor data",
        {"headroom:overrides": '{"machine": {"enabled": true}}'},
        ("headroom:modelImage is missing", "headroom:modelDataUrl is missing", "s3://product-models/model.tar.gz"),
        problems=2,
        between=True,
    ),
    _one("a model is not in ECR", "modelImage", "docker.io/library/model:1", "must be an image in ECR"),
    Bad(
        "a secret is stored in plain text",
        {"headroom:sentryDsn": SECRET},
        (
            "headroom:sentryDsn = (hidden) is stored in plain text",
            "config set --secret headroom:sentryDsn --stack prod",
        ),
    ),
    Bad(
        "a plain key is encrypted",
        {"headroom:domain": SECRET},
        ("headroom:domain = (hidden) is encrypted", "config set headroom:domain example.com"),
        encrypted=frozenset({"headroom:domain"}),
    ),
    Bad(
        "the overrides are encrypted",
        {"headroom:overrides": "[secret]"},
        ("headroom:overrides = (hidden) is encrypted", "config rm headroom:overrides"),
        encrypted=frozenset({"headroom:overrides"}),
    ),
    _one(
        "a secret is under a misspelt key", "sentryDSN", SECRET, "headroom:sentryDSN is no key", "headroom:sentryDsn?"
    ),
    _one("the overrides are text", "overrides", "big", "headroom:overrides = 'big' must be a group of settings"),
    _one("the overrides are a list", "overrides", "[1]", "must be a group of settings"),
    _one("the overrides are nested too deep", "overrides", '{"a":' * 9 + "1" + "}" * 9, "nested deeper than 8 levels"),
    _phase(
        "an override is below its bound",
        "10k",
        '{"database": {"storageGib": 10}}',
        "from 20 to 59,578",
        "storageGib 20 ",
    ),
    _phase("an override is above its bound", "10k", '{"cache": {"shards": 501}}', "from 1 to 500", "cache.shards 500 "),
    _phase("an override is of the wrong type", "10k", '{"database": {"multiAz": "yes"}}', "must be true or false"),
    _phase("a number is true", "10k", '{"targets": {"p95Ms": true}}', "a whole number from 50 to 2,000"),
    _phase("a fraction is no number", "10k", '{"targets": {"uptimePercent": "high"}}', "a number from 99 to below 100"),
    _phase(
        "an override is misspelt",
        "10k",
        '{"databse": {}}',
        "overrides.databse",
        "did you mean database?",
        "config rm --path",
    ),
    _phase("an override is in snake case", "10k", '{"database": {"multi_az": true}}', "did you mean multiAz?"),
    _phase("an override is like no other", "10k", '{"edge": {"zzz": 1}}', "known here: imageResizing, edgeWorkers"),
    _phase("a group is a number", "10k", '{"database": 5}', "must be a group of settings: instanceClass"),
    _phase("a group is null", "10k", '{"database": null}', "must be a group of settings: instanceClass"),
    _phase("the phase is overridden", "10k", '{"name": "50k"}', "headroom:phase has it", "config rm --path"),
    _phase("the regions are overridden", "10k", '{"regions": ["us-west-2"]}', "the key headroom:regions has it"),
    _phase("a class is unknown", "10k", '{"database": {"instanceClass": "db.x2g.large"}}', "must be an RDS class"),
    _phase(
        "a node is unknown", "10k", '{"cache": {"nodeType": "cache.c1.xlarge"}}', "must be an ElastiCache node type"
    ),
    _phase(
        "a read region is unknown", "10k", '{"readRegions": ["us-east-2"]}', "overrides.readRegions[0] = 'us-east-2'"
    ),
    _phase(
        "a role is unknown", "10k", '{"compute": {"pods": {"apii": {"minimum": 1}}}}', "is no role; the roles are api"
    ),
    _phase(
        "a role is taken away", "10k", '{"compute": {"pods": {"api": null}}}', "compute.pods.api", "group of settings"
    ),
    _phase(
        "a new group is incomplete",
        "10k",
        '{"search": {"nodes": 3}}',
        "overrides.search.instanceType is missing",
        "overrides.search.storageGib is missing",
        "overrides.search.instanceType m6g.large.search",
        between=True,
        problems=2,
    ),
    _phase("search nodes do not fit the zones", "250k", '{"search": {"nodes": 4}}', "a multiple of 3"),
    _phase(
        "storage cannot grow",
        "10k",
        '{"database": {"storageGib": 200}}',
        "maxStorageGib (100) must be at least 10 % above storageGib (200): 220 or more",
        "overrides.database.maxStorageGib 220 ",
        between=True,
    ),
    _phase(
        "IOPS are set where there are none to set",
        "10k",
        '{"database": {"iops": 12000}}',
        "iops (12000) can only be set when storageGib (20) is 400 or more",
        "rm --path headroom:overrides.database.iops",
        between=True,
    ),
    _phase("IOPS are taken away", "250k", '{"database": {"iops": null}}', "iops must not be null", between=True),
    _phase(
        "throughput is more than IOPS allow",
        "250k",
        '{"database": {"throughputMibps": 4000}}',
        "a quarter of iops (12000)",
        "throughputMibps 3000 ",
        between=True,
    ),
    _phase(
        "a replica is smaller than its primary",
        "50k",
        '{"database": {"instanceClass": "db.r6g.xlarge"}}',
        "replicaClass (db.m7g.large, 901 connections)",
        "overrides.database.replicaClass db.r6g.xlarge ",
        between=True,
    ),
    _phase(
        "shards split unevenly", "250k", '{"database": {"logicalShards": 100}}', "unevenly (2 or 3 each)", between=True
    ),
    _phase(
        "the cache does not hold its data",
        "250k",
        '{"cache": {"shards": 1}}',
        "hold 4,899 MiB",
        "shards 2 ",
        between=True,
    ),
    _phase("the pooler has too few threads", "250k", '{"pooler": {"pods": 2}}', "1,000 a pod: 2,000", between=True),
    _phase(
        "there are fewer pods at most than at least",
        "10k",
        '{"compute": {"pods": {"api": {"maximum": 1}}}}',
        "minimum (2) must not exceed maximum (1)",
        "pods.api.minimum 1 ",
        between=True,
    ),
    _phase(
        "a band is upside down",
        "10k",
        '{"targets": {"monthlyUsd": {"low": 900}}}',
        "must not exceed high (800)",
        between=True,
    ),
    _phase(
        "a queue is there twice",
        "10k",
        '{"messaging": {"queues": ["email", "email"]}}',
        "names one twice",
        between=True,
    ),
    _phase(
        "a read region has no replica",
        "10k",
        '{"readRegions": ["eu-west-1"]}',
        "database.remoteReplicas (0) must be 1 to 1",
        "overrides.database.remoteReplicas 1 ",
        between=True,
    ),
    Bad(
        "a primary has no shard",
        {
            "headroom:phase": "1m",
            "headroom:cloudflareAccountId": "0" * 32,
            "headroom:overrides": '{"database": {"logicalShards": 2}}',
        },
        ("database.logicalShards (2) must be 3 or more",),
        between=True,
    ),
    _one(
        "an exemption has no day",
        "exempted",
        '["rds-multi-az db-0 the budget comes later"]',
        "must be a rule, a resource",
    ),
    _one(
        "an exemption ends on no day",
        "exempted",
        '["rds-multi-az db-0 2027-02-30 a b c"]',
        "ends on 2027-02-30",
        between=True,
    ),
    _one(
        "an exemption has no reason",
        "exempted",
        '["rds-multi-az db-0 2027-02-28 because"]',
        "must say why in 3 words",
        between=True,
    ),
    _one("the usage is text", "usage", "busy", "= 'busy' must be a group of assumptions such as dailyShare"),
    _one("the usage is a list", "usage", "[1]", "= '[1]' must be a group of assumptions"),
    _one(
        "an assumption is misspelt",
        "usage",
        '{"daily_share": 0.4}',
        "did you mean dailyShare?",
        "config rm --path headroom:usage.daily_share",
    ),
    _one("an assumption is like no other", "usage", '{"zzz": 1}', "is no assumption; they are dailyShare, "),
    _one("a share of users is above one", "usage", '{"dailyShare": 1.5}', "= 1.5 must be a number from 0 to 1"),
    _one("an amount is negative", "usage", '{"storedGib": -1}', "usage.storedGib = -1 must be a number from 0"),
    _one("an amount is past all measure", "usage", '{"storedGib": 1e300}', "to 1,000,000,000"),
    _one("an assumption is a truth value", "usage", '{"uploadMib": true}', "= True must be a number"),
    _one("an assumption is a group", "usage", '{"uploadMib": {"a": 1}}', "must be a number from 0 to"),
    _one("a vendor's plan is unknown", "usage", '{"sentry": "gold"}', "= 'gold' must be"),
    _one(
        "two assumptions are wrong",
        "usage",
        '{"pagerdutyUsers": 1.5, "peakFactor": 0}',
        "pagerdutyUsers = 1.5 must be a whole number from 0",
        "peakFactor = 0 must be a number from 1",
        problems=2,
    ),
    Bad(
        "two things are wrong at once",
        {"headroom:phase": "20k", "headroom:domain": "nothing"},
        ("stack prod has 2 problems", "headroom:phase", "headroom:domain"),
        problems=2,
    ),
    _phase(
        "bounds and rules are broken at once",
        "250k",
        '{"database": {"storageGib": 1, "multi_az": true}, "cache": {"shards": 1}, "edge": {"cloudflarePlan": "gold"}}',
        "database.storageGib",
        "multiAz?",
        "hold 4,899 MiB",
        "one of free, pro, business, enterprise",
        problems=4,
    ),
    Bad("nothing is set at all", dict.fromkeys(GOOD), ("7 problems",), problems=7),
]
