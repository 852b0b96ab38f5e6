"""How moto has to be set up for the local cloud, in the process that serves it."""

from __future__ import annotations

import json
import threading
from fnmatch import fnmatchcase
from typing import Any

from moto import backend_index, settings
from moto.backup.models import BackupBackend
from moto.backup.responses import BackupResponse
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.config import default_user_config
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.rds.models import DBInstance, DBSubnetGroup, RDSBackend
from moto.s3.models import LOGGING_SERVICE_PRINCIPAL, FakeBucket

from infra.local.aws.moto_cache import mend_cache

_CREATE_REPLICA = RDSBackend.create_db_instance_read_replica
_CALL = DomainDispatcherApplication.__call__
_TURN = threading.RLock()
_DELETE_BACKUP_PLAN = BackupBackend.delete_backup_plan


def prepare_moto() -> None:
    """Configure moto and mend what would keep a stack from coming up twice; call it before the server starts."""
    default_user_config["iam"]["load_aws_managed_policies"] = True
    # Rotating a secret invokes its function: succeed at once instead of looking for Docker.
    default_user_config["lambda"]["use_docker"] = False
    # REST and HTTP APIs have one address. The former need a package that nothing else does: answer with the latter.
    backend_index.backend_url_patterns[:] = [
        ("apigatewayv2" if name == "apigateway" else name, pattern)
        for name, pattern in backend_index.backend_url_patterns
    ]
    # A certificate waits for nobody.
    settings.ACM_VALIDATION_WAIT = 0
    mend_cache()
    RDSBackend.create_db_instance_read_replica = _create_replica
    DBInstance.remove_replica = _remove_replica
    BackupBackend.delete_backup_plan = _delete_backup_plan
    BackupResponse.update_backup_plan = _update_backup_plan
    # moto's code for composite alarms is there, but no operation leads to it.
    CloudWatchResponse.put_composite_alarm = CloudWatchResponse.put_metric_alarm
    RDSBackend.modify_db_subnet_group = _modify_db_subnet_group
    FakeBucket.get_permission = _get_permission
    FakeBucket._log_permissions_enabled_policy = staticmethod(_may_log)  # noqa: SLF001 - the place to mend
    DomainDispatcherApplication.__call__ = _one_at_a_time


def _one_at_a_time(self: DomainDispatcherApplication, environ: dict[str, Any], start_response: Any) -> Any:
    """Answer one request after the other: moto walks over dictionaries that its other threads change."""
    with _TURN:
        return _CALL(self, environ, start_response)


def _get_permission(self: FakeBucket, action: str, resource: str) -> PermissionResult:
    """Leave out what has conditions: moto 5.2.5 reads none, so that a refusal of plain HTTP would refuse everything."""
    if self.policy is None:
        return PermissionResult.NEUTRAL
    policy = json.loads(self.policy)
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    known = [statement for statement in statements if "Condition" not in statement]
    told: PermissionResult = IAMPolicy(json.dumps({**policy, "Statement": known})).is_action_permitted(action, resource)
    return told


def _delete_backup_plan(self: BackupBackend, backup_plan_id: str) -> tuple[str, str, float, str]:
    """Forget it: moto 5.2.5 keeps a deleted plan, and refuses a new one with its name."""
    told: tuple[str, str, float, str] = _DELETE_BACKUP_PLAN(self, backup_plan_id)
    del self.plans[backup_plan_id]
    return told


def _update_backup_plan(self: BackupResponse) -> str:
    """Change it: moto 5.2.5 has no UpdateBackupPlan."""
    plan = self.backup_backend.plans[self.path.strip("/").rsplit("/", 1)[1]]
    plan.backup_plan = json.loads(self.body)["BackupPlan"]
    return json.dumps(plan.to_dict())


def _create_replica(self: RDSBackend, db_kwargs: dict[str, Any]) -> DBInstance:
    """Bring it into its own region first: moto 5.2.5 looks for its subnet group in the source's."""
    replica: DBInstance = _CREATE_REPLICA(self, {"backend": self, **db_kwargs})
    return replica


def _remove_replica(self: DBInstance, replica: DBInstance) -> None:
    """Find it by its ARN too: moto 5.2.5 keeps replicas in other regions by theirs, and looks for the identifier."""
    self.replicas = [each for each in self.replicas if each not in (replica.db_instance_identifier, replica.arn)]


def _modify_db_subnet_group(self: RDSBackend, subnet_name: str, description: str | None, subnets: list[Any]) -> Any:
    """Keep the group: moto 5.2.5 loses a subnet group when it changes it."""
    group: DBSubnetGroup = self.describe_db_subnet_groups(subnet_name)[0]
    group.subnets = subnets
    group.description = description or group.description
    return group


def _may_log(target_bucket: FakeBucket, target_prefix: str | None) -> bool:
    """Whether a policy lets S3 log: moto 5.2.5 knows neither a principal that is a string nor a longer prefix."""
    if not target_bucket.policy:
        return False
    wanted = f"arn:{target_bucket.partition}:s3:::{target_bucket.name}/{target_prefix or ''}log"
    return any(
        statement.get("Effect") == "Allow"
        and LOGGING_SERVICE_PRINCIPAL in _several(_service(statement.get("Principal")))
        and any(fnmatchcase("s3:PutObject", action) for action in _several(statement.get("Action")))
        and any(fnmatchcase(wanted, resource) for resource in _several(statement.get("Resource")))
        for statement in _several(json.loads(target_bucket.policy)["Statement"])
    )


def _several(value: Any) -> list[Any]:
    """Policies write one of a list without the list."""
    return value if isinstance(value, list) else [value] if value else []


def _service(principal: Any) -> Any:
    return principal.get("Service") if isinstance(principal, dict) else None
