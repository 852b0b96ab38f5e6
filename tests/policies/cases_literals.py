"""Rules about secrets that stand in the program, and about the pooler's configuration."""

from __future__ import annotations

from policies.manifests import CONFIG_MAP, NETWORK_POLICY
from policies.rules import pooler
from tests.policies.cases import Case, made

LABELS = {"app.kubernetes.io/name": "pooler"}
PLACE = {"name": "pooler", "namespace": "headroom", "labels": LABELS}
POOLER = "us-east-1-pooler-writer-config"
DOOR = {
    "podSelector": {"matchLabels": LABELS},
    "policyTypes": ["Ingress"],
    "ingress": [
        {"from": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "app"}}}]},
        {"from": [{"ipBlock": {"cidr": "169.254.7.127/32"}}]},
    ],
}


def ini(**changes: str) -> dict[str, str]:
    """Data of the pooler's ConfigMap; a change to nothing takes the line away."""
    settings = {
        "server_tls_sslmode": "verify-full",
        "server_tls_ca_file": "/var/run/rds/ca.pem",
        "auth_type": "scram-sha-256",
        **changes,
    }
    lines = [f"{name} = {value}" for name, value in settings.items() if value]
    return {pooler.FILE: "\n".join(["[databases]", "server_tls_sslmode = host=db", "", "[pgbouncer]", *lines])}


CASES = [
    Case(
        rule="secrets-no-known-key",
        good=[made(CONFIG_MAP, "app", {"data": {"REGION": "us-east-1", "URL": "https://example.com:443/a@b"}})],
        path="data",
        broken=[
            {"KEY": f"AKIA{'A' * 16}"},
            {"file.pem": "-----BEGIN RSA PRIVATE KEY-----"},
            {"TOKEN": f"ghp_{'a' * 36}"},
            {"DATABASE_URL": "postgres://me:hunter2@db:5432/app"},
        ],
        absent="fine",
        unknown="fine",
    ),
    Case(
        rule="secrets-no-literal",
        good=[
            made(
                CONFIG_MAP,
                "app",
                {
                    "data": {
                        "REGION": "us-east-1",
                        "PASSWORD_FILE": "/var/run/secrets/password",
                        "SIGNING_SECRET": "arn:aws:secretsmanager:us-east-1:123456789012:secret:signing",
                        "app.conf": "password = ${PASSWORD}",
                    }
                },
            )
        ],
        path="data",
        broken=[
            {"DATABASE_PASSWORD": "hunter2"},
            {"app.conf": "user=me\npassword = hunter2"},
            {"app.json": '{"password":"hunter2"}'},
            {"app.yaml": "password: hunter2"},
            {"SALT": "q8Zr2LmX0vB7tYk4WcN9pGsD"},
        ],
        absent="fine",
        unknown="fine",
    ),
    Case(
        rule="pooler-server-tls",
        good=[made(CONFIG_MAP, "pooler", {"data": ini()})],
        path="data",
        broken=[
            ini(server_tls_sslmode="prefer"),
            ini(server_tls_sslmode="require"),
            ini(server_tls_sslmode=""),
            ini(server_tls_ca_file=""),
        ],
        absent="fine",
        unknown="undecided",
        shipped=POOLER,
    ),
    Case(
        rule="pooler-authentication",
        good=[made(CONFIG_MAP, "pooler", {"data": ini()})],
        path="data",
        broken=[ini(auth_type="trust"), ini(auth_type="md5"), ini(auth_type="")],
        absent="fine",
        unknown="undecided",
        shipped=POOLER,
    ),
    Case(
        rule="pooler-clients",
        good=[
            made(NETWORK_POLICY, "us-east-1-pooler", {"metadata": PLACE, "spec": DOOR}),
            made(CONFIG_MAP, "us-east-1-pooler", {"metadata": PLACE, "data": ini()}),
        ],
        path="spec.ingress",
        broken=[
            [{"ports": [{"port": 6543}]}],
            [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
            [{"from": [{"podSelector": {}}]}],
            [{"from": [{"namespaceSelector": {"matchLabels": {"name": "other"}}}]}],
        ],
        absent="fine",
        unknown="undecided",
        shipped="us-east-1-pooler-writer-policy",
    ),
]
