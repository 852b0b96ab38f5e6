"""The providers under the real engine: what a person sees of `headroom ... --local`, with small programs."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pulumi
import pytest

from infra.errors import UserError
from infra.local.stack import OperationError
from tests.local.conftest import Lab, namespace, resource

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
PLANTED = 'planted-Secret "quoted" & long enough'


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Let what the SDK left behind be collected under the test that caused it."""
    yield
    gc.collect()


def ec2(lab: Lab) -> Any:
    return boto3.client(
        "ec2",
        endpoint_url=lab.cloud.endpoint,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


async def network() -> Mapping[str, Any]:
    """A VPC with `subnets` subnets; `cidr` and `team` come from the configuration."""
    config = pulumi.Config("headroom")
    vpc = resource(
        VPC, "net", {"cidrBlock": config.require("cidr"), "tags": {"team": config.require("team")}}, None, "arn"
    )
    subnets = [
        resource(SUBNET, f"part-{n}", {"vpcId": vpc.id, "cidrBlock": f"{config.require('cidr')[:5]}.{n}.0/24"})
        for n in range(config.require_int("subnets"))
    ]
    return {"vpc": vpc.id, "arn": vpc.arn, "subnets": [s.id for s in subnets]}


def test_a_stack_comes_up_stays_the_same_changes_in_place_and_goes_away(lab: Lab) -> None:
    stack = lab.stack(network, cidr="10.50.0.0/16", team="a", subnets=2)
    assert stack.preview().progress.totals() == {"created": 3}
    first = stack.up()
    assert first.progress.totals() == {"created": 3}
    assert len(first.outputs["subnets"]) == 2
    assert first.outputs["arn"].endswith(first.outputs["vpc"])
    again = stack.up()
    assert (again.progress.changed, again.outputs) == (0, first.outputs)
    assert stack.refresh().progress.changed == 0

    lab.configure(stack, cidr="10.50.0.0/16", team="b", subnets=3)
    preview = stack.preview()
    assert preview.progress.totals() == {"created": 1, "updated": 1, "unchanged": 2}
    assert preview.progress.notable == [f"updated {VPC} net (tags)"]
    assert stack.up().outputs["vpc"] == first.outputs["vpc"]
    found = ec2(lab).describe_vpcs(VpcIds=[first.outputs["vpc"]])["Vpcs"][0]
    assert found["Tags"] == [{"Key": "team", "Value": "b"}]

    stack.destroy()
    assert ec2(lab).describe_subnets(Filters=[{"Name": "vpc-id", "Values": [first.outputs["vpc"]]}])["Subnets"] == []
    assert stack.outputs() == {}
    with pytest.raises(UserError, match=f"nothing to destroy: stack {stack.name} is not on the local cloud"):
        stack.destroy()


def test_an_input_that_cannot_change_replaces_the_object_and_whatever_pins_it(lab: Lab) -> None:
    stack = lab.stack(network, cidr="10.51.0.0/16", team="a", subnets=1)
    before = stack.up().outputs
    lab.configure(stack, cidr="10.52.0.0/16", team="a", subnets=1)
    preview = stack.preview().progress
    assert preview.totals() == {"replaced": 2}
    after = stack.up()
    assert after.progress.totals() == preview.totals()
    assert after.outputs["vpc"] != before["vpc"]
    left = [vpc["VpcId"] for vpc in ec2(lab).describe_vpcs()["Vpcs"]]
    assert before["vpc"] not in left
    stack.destroy()


def test_an_object_deleted_behind_our_back_is_found_by_refresh_and_made_again(lab: Lab) -> None:
    stack = lab.stack(network, cidr="10.53.0.0/16", team="a", subnets=2)
    outputs = stack.up().outputs
    ec2(lab).delete_subnet(SubnetId=outputs["subnets"][1])
    assert stack.up().progress.changed == 0  # The engine trusts its state.
    assert stack.refresh().progress.totals() == {"unchanged": 2, "deleted": 1}
    healed = stack.up()
    assert healed.progress.totals() == {"unchanged": 2, "created": 1}
    assert healed.outputs["subnets"][0] == outputs["subnets"][0]
    stack.destroy()


def test_an_object_deleted_behind_our_back_does_not_stop_destroy(lab: Lab) -> None:
    stack = lab.stack(network, cidr="10.54.0.0/16", team="a", subnets=1)
    ec2(lab).delete_subnet(SubnetId=stack.up().outputs["subnets"][0])
    stack.destroy()
    assert stack.outputs() == {}


def test_a_property_changed_behind_our_back_is_drift_and_up_mends_it(lab: Lab) -> None:
    async def group() -> Mapping[str, Any]:
        name = "/drift/app"
        group = resource("aws:cloudwatch/logGroup:LogGroup", "logs", {"name": name, "retentionInDays": 30})
        return {"name": group.id}

    stack = lab.stack(group)
    stack.up()
    logs = boto3.client(
        "logs",
        endpoint_url=lab.cloud.endpoint,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    logs.put_retention_policy(logGroupName="/drift/app", retentionInDays=7)
    assert stack.refresh().progress.totals() == {"updated": 1}
    assert stack.up().progress.notable == ["updated aws:cloudwatch/logGroup:LogGroup logs (retentionInDays)"]
    assert logs.describe_log_groups(logGroupNamePrefix="/drift/app")["logGroups"][0]["retentionInDays"] == 30
    assert stack.refresh().progress.changed == 0
    stack.destroy()


async def secretive() -> Mapping[str, Any]:
    """A generated and a given secret, on their way into a Kubernetes Secret."""
    config = pulumi.Config("headroom")
    generated = resource("random:index/randomPassword:RandomPassword", "word", {"length": 24}, None, "result")
    home = namespace("vault")
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": config.get("name") or "keys", "namespace": home.id},
        "stringData": {"generated": generated.result, "given": pulumi.Output.secret(PLANTED)},
    }
    keys = resource("kubernetes:core/v1:Secret", "keys", manifest, None, "data")
    return {"generated": generated.result, "data": keys.data, "open": keys.id}


def test_secrets_are_encrypted_in_the_state_and_hidden_in_outputs(lab: Lab) -> None:
    stack = lab.stack(secretive)
    outcome = stack.up()
    assert outcome.outputs == {"generated": "[secret]", "data": "[secret]", "open": "vault/keys"}
    state = lab.state(stack)
    assert "planted" not in state
    assert json.loads(state)["checkpoint"]["latest"]["secrets_providers"]["type"] == "passphrase"
    secret = next(r for r in stack.resources() if r["type"] == "kubernetes:core/v1:Secret")
    assert "ciphertext" in json.dumps(secret["inputs"]["stringData"]["given"])
    assert "ciphertext" in json.dumps(secret["outputs"]["data"])
    assert stack.up().progress.changed == 0
    assert stack.refresh().progress.changed == 0
    assert "planted" not in lab.state(stack)
    stack.destroy()


def test_no_file_of_the_project_holds_a_secret_and_the_passphrase_is_private(lab: Lab) -> None:
    stack = lab.stack(secretive)
    stack.up()
    files = [path for path in (lab.root / ".headroom").rglob("*") if path.is_file()]
    assert [path for path in files if b"planted" in path.read_bytes()] == []
    assert (lab.root / ".headroom/passphrase").stat().st_mode & 0o777 == 0o600
    stack.destroy()


def test_an_error_names_resource_type_operation_and_cause_and_no_secret(lab: Lab) -> None:
    async def wrong() -> None:
        home = namespace("shop")
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "keys", "namespace": pulumi.Output.secret(PLANTED)},
            "stringData": {"a": "b"},
        }
        resource("kubernetes:core/v1:Secret", "keys", manifest, pulumi.ResourceOptions(depends_on=[home]))

    stack = lab.stack(wrong)
    with pytest.raises(OperationError) as caught:
        stack.up()
    shown = str(caught.value)
    assert 'kubernetes:core/v1:Secret "keys": create failed: namespaces "[secret]" not found' in shown
    assert "Traceback" not in shown
    assert "planted" not in shown
    assert caught.value.exit_code == 1
    stack.destroy()  # The namespace came up, and the state knows it.


def test_what_came_up_before_a_failure_is_kept_and_the_next_up_goes_on(lab: Lab) -> None:
    stack = lab.stack(network, cidr="10.55.0.0/16", team="a", subnets=1)
    first = stack.up().outputs["vpc"]
    lab.configure(stack, cidr="10.55.0.0/16", team="a", subnets=300)  # 256 and more are no octets.
    with pytest.raises(
        OperationError, match=r'aws:ec2/subnet:Subnet "part-\d+": create failed: .*InvalidParameterValue'
    ):
        stack.up()
    lab.configure(stack, cidr="10.55.0.0/16", team="a", subnets=3)
    mended = stack.up()
    assert mended.outputs["vpc"] == first
    assert mended.progress.totals()["unchanged"] >= 2
    stack.destroy()


def test_a_type_that_the_local_cloud_lacks_fails_in_the_preview(lab: Lab) -> None:
    async def exotic() -> None:
        resource("aws:gamelift/fleet:Fleet", "play", {"name": "play"})

    with pytest.raises(OperationError, match="the local cloud has no type aws:gamelift/fleet:Fleet"):
        lab.stack(exotic).preview()


def test_a_change_that_aws_refuses_fails_in_the_preview(lab: Lab) -> None:
    async def database() -> None:
        size = pulumi.Config("headroom").require_int("size")
        properties = {
            "identifier": "refused",
            "engine": "postgres",
            "instanceClass": "db.t4g.medium",
            "allocatedStorage": size,
            "username": "app",
            "password": pulumi.Output.secret(PLANTED),
            "skipFinalSnapshot": True,
        }
        resource("aws:rds/instance:Instance", "db", properties)

    stack = lab.stack(database, size=100)
    stack.up()
    assert "planted" not in lab.state(stack)
    lab.configure(stack, size=50)
    with pytest.raises(OperationError, match=r'Instance "db": diff failed: RDS storage never shrinks .*100 to 50 GiB'):
        stack.preview()
    stack.destroy()


def test_a_fixed_name_is_deleted_first_and_a_free_one_is_created_first(lab: Lab) -> None:
    async def config_maps() -> None:
        value = pulumi.Config("headroom").require("value")
        home = namespace("maps")
        for name, metadata in (("fixed", {"name": "fixed"}), ("free", {})):
            manifest = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {**metadata, "namespace": home.id},
                "data": {"key.with/dots": value},
            }
            resource("kubernetes:core/v1:ConfigMap", name, manifest)

    stack = lab.stack(config_maps, value="1")
    stack.up()
    lab.configure(stack, value="2")
    changed = stack.up().progress
    assert changed.totals() == {"replaced": 2, "unchanged": 1}
    ids = {r["urn"].rsplit("::", 1)[1]: r["id"] for r in stack.resources() if r["type"].endswith(":ConfigMap")}
    assert ids["fixed"] == "maps/fixed"
    assert ids["free"].startswith("maps/free-")
    stack.destroy()


def test_two_clusters_hold_objects_of_the_same_name(lab: Lab) -> None:
    async def two() -> None:
        for region in ("east", "west"):
            provider = pulumi.ProviderResource("kubernetes", region, {"clusterIdentifier": f"arn:cluster/{region}"})
            manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "twice"}}
            opts = pulumi.ResourceOptions(provider=provider)
            resource("kubernetes:core/v1:Namespace", f"{region}-home", manifest, opts)

    stack = lab.stack(two)
    assert stack.up().progress.totals() == {"created": 2}
    assert stack.refresh().progress.changed == 0
    stack.destroy()


def test_a_hundred_objects_at_once_and_one_of_six_megabytes(lab: Lab) -> None:
    async def many() -> None:
        home = namespace("crowd")
        for number in range(100):
            content = "x" * 6_000_000 if number == 0 else str(number)
            manifest = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": f"map-{number}", "namespace": home.id},
                "data": {"content": content},
            }
            resource("kubernetes:core/v1:ConfigMap", f"map-{number}", manifest)

    stack = lab.stack(many)
    assert stack.up().progress.totals() == {"created": 101}
    assert stack.destroy().progress.totals() == {"deleted": 101}


def test_a_protected_stack_is_destroyed_after_an_update_that_lifts_protection(lab: Lab) -> None:
    async def guarded() -> None:
        production = pulumi.Config("headroom").require("environment") == "production"
        namespace("guarded", pulumi.ResourceOptions(protect=production, retain_on_delete=production))

    stack = lab.stack(guarded, environment="production")
    stack.up()
    source = (lab.root / f"Pulumi.{stack.name}.yaml").read_text(encoding="utf-8")
    assert stack.destroy().progress.totals() == {"deleted": 1}
    assert (lab.root / f"Pulumi.{stack.name}.yaml").read_text(encoding="utf-8") == source
    assert stack.up().progress.totals() == {"created": 1}  # Nothing was retained: the name is free.
    stack.destroy()


def test_what_a_program_reports_to_the_user_arrives_without_a_traceback(lab: Lab) -> None:
    async def refuses() -> None:
        problem = "the domain is not a host name"
        raise UserError(problem, ["pulumi config set headroom:domain example.com"])

    with pytest.raises(OperationError) as caught:
        lab.stack(refuses).up()
    assert "the domain is not a host name" in str(caught.value)
    assert "pulumi config set headroom:domain example.com" in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert str(caught.value).count("the domain is not a host name") == 1


def test_a_protected_stack_is_destroyed_with_the_configuration_that_built_it(lab: Lab) -> None:
    async def guarded() -> None:
        config = pulumi.Config("headroom")
        if config.get("broken"):
            problem = "broken is no setting"
            raise UserError(problem)
        namespace("kept", pulumi.ResourceOptions(protect=config.require("environment") == "production"))

    stack = lab.stack(guarded, environment="production")
    stack.up()
    lab.configure(stack, environment="production", broken="yes")
    with pytest.raises(OperationError, match="broken is no setting"):
        stack.up()
    assert stack.destroy().progress.totals() == {"deleted": 1}


def test_a_value_encrypted_for_another_backend_is_left_out(lab: Lab) -> None:
    async def reads() -> Mapping[str, Any]:
        return {"dsn": pulumi.Config("headroom").get("sentryDsn") or "none"}

    stack = lab.stack(reads, sentryDsn={"secure": "v1:abc:def"})
    assert stack.up().outputs == {"dsn": "none"}
    stack.destroy()


def test_the_lock_of_a_killed_command_says_how_to_go_on(lab: Lab) -> None:
    stack = lab.stack(network, cidr="10.56.0.0/16", team="a", subnets=0)
    stack.up()
    folder = lab.root / ".headroom/state/.pulumi/locks/organization/lab" / stack.name
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / "left.json"
    lock.write_text(json.dumps({"pid": 2**22 + 1, "username": "someone"}), encoding="utf-8")
    with pytest.raises(UserError, match=r"was killed \(process 4194305\)[^$]*headroom local reset"):
        stack.up()
    lock.write_text(json.dumps({"pid": os.getpid(), "username": "someone"}), encoding="utf-8")
    with pytest.raises(UserError, match="another command is working"):
        stack.refresh()
    lock.unlink()
    stack.destroy()


def test_a_missing_stack_file_names_the_stacks_that_there_are(lab: Lab) -> None:
    there = lab.stack(network)
    missing = lab.stack(network)
    (lab.root / f"Pulumi.{missing.name}.yaml").unlink()
    with pytest.raises(UserError, match=f"there is no stack {missing.name}[^$]*{there.name}"):
        missing.up()


def test_a_broken_stack_file_is_named(lab: Lab) -> None:
    stack = lab.stack(network)
    (lab.root / f"Pulumi.{stack.name}.yaml").write_text("config: [", encoding="utf-8")
    with pytest.raises(UserError, match=rf"Pulumi\.{stack.name}\.yaml is not a stack file"):
        stack.preview()
