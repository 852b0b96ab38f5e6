"""Secrets Manager rotation of the token-signing keys: a new active key, the last one kept for verification.

The secret's value is `{"active": KID, "keys": {KID: BASE64_SECRET, ...}}` with at most two keys, so a token
signed just before a rotation stays valid for its life. Steps and their contract:
https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
"""

import base64
import json
import os
from typing import Any

import boto3


def handler(event: dict[str, str], _context: object) -> None:
    """Run one rotation step. `setSecret` and `testSecret` have nothing to do: no other system holds the keys."""
    client = boto3.client("secretsmanager")
    secret_id, token = event["SecretId"], event["ClientRequestToken"]
    if event["Step"] == "createSecret":
        _create(client, secret_id, token)
    elif event["Step"] == "finishSecret":
        _finish(client, secret_id, token)


def rotated(current: dict[str, Any], kid: str, secret: bytes) -> dict[str, Any]:
    """The value after a rotation: `kid` active, the former active key kept, older ones gone."""
    former = current["active"]
    return {
        "active": kid,
        "keys": {kid: base64.b64encode(secret).decode(), former: current["keys"][former]},
    }


def _create(client: Any, secret_id: str, token: str) -> None:
    try:
        client.get_secret_value(SecretId=secret_id, VersionId=token, VersionStage="AWSPENDING")
    except client.exceptions.ResourceNotFoundException:
        current = json.loads(client.get_secret_value(SecretId=secret_id)["SecretString"])
        client.put_secret_value(
            SecretId=secret_id,
            ClientRequestToken=token,
            SecretString=json.dumps(rotated(current, token, os.urandom(32))),
            VersionStages=["AWSPENDING"],
        )


def _finish(client: Any, secret_id: str, token: str) -> None:
    versions = client.describe_secret(SecretId=secret_id)["VersionIdsToStages"]
    current = next(version for version, stages in versions.items() if "AWSCURRENT" in stages)
    if current != token:
        client.update_secret_version_stage(
            SecretId=secret_id, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current
        )
