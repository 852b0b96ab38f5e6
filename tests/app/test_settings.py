from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.settings import MigrationSettings, SettingsError, UpkeepSettings, read
from tests.app.environment import SHARD_MAP, environment, settings

ROOT = Path(__file__).parents[2]


def problems(directory: Path, **changes: str | None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(environment(directory, **changes))
    return caught.value.problems


def test_lists_numbers_queues_and_secrets_have_their_types(tmp_path: Path) -> None:
    found = settings(tmp_path, JOB_TYPES="email-feedback")
    assert found.allowed_origins == ("https://app.example.com", "https://admin.example.com")
    assert found.database_port == 6543
    assert found.queue_urls == {"email-feedback": "https://sqs.example/email-feedback"}
    assert found.job_types == ("email-feedback",)
    assert found.database_password is not None
    assert found.database_password.get_secret_value() == "database_password-value"


def test_no_origin_is_an_empty_list(tmp_path: Path) -> None:
    assert settings(tmp_path, ALLOWED_ORIGINS="").allowed_origins == ()


def test_settings_do_not_change_and_do_not_show_their_secrets(tmp_path: Path) -> None:
    found = settings(tmp_path)
    with pytest.raises(ValidationError):
        found.port = 1  # type: ignore[misc]
    assert "password-value" not in repr(found)
    assert "password-value" not in str(found.model_dump())


def test_settings_reach_a_process_that_is_started(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 our own


def test_every_problem_is_told_at_once_without_any_value(tmp_path: Path) -> None:
    changes = {
        "DATABASE_PORT": "planted",
        "CACHE_URL": "planted://cache",
        "SHARD_MAP": '{"slots": "planted"',
        "ENVIRONMENT": "planted",
        "TRACE_SAMPLE_RATIO": "7.5",
        "JOB_TYPES": "planted",
        "KEEP_ALIVE_SECONDS": "60",
        "DOMAIN": None,
    }
    found = problems(tmp_path, **changes)
    assert {line.split(" ")[0].split(":")[0] for line in found} == set(changes)
    assert "planted" not in "\n".join(found)
    assert "DOMAIN is not set" in found


@pytest.mark.parametrize("name", ["database_password", "cache_password", "second_factor_key"])
def test_a_secret_that_is_missing_or_empty_is_named_by_its_file(tmp_path: Path, name: str) -> None:
    given = environment(tmp_path)
    for change in ("empty", "missing"):
        (tmp_path / name).write_text("") if change == "empty" else (tmp_path / name).unlink()
        with pytest.raises(SettingsError) as caught:
            read(given)
        assert caught.value.problems == [f"SECRETS_DIR has no file {name}"]


def test_a_secret_in_the_environment_does_not_count(tmp_path: Path) -> None:
    given = environment(tmp_path, DATABASE_PASSWORD="planted")
    (tmp_path / "database_password").unlink()
    with pytest.raises(SettingsError, match="no file database_password"):
        read(given)


def test_a_secret_that_cannot_be_read_is_a_problem_and_no_traceback(tmp_path: Path) -> None:
    given = environment(tmp_path)
    (tmp_path / "database_password").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="database_password is not UTF-8"):
        read(given)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("second_factor_key", "planted", "second_factor_key must have at least 32 bytes"),
        ("sentry_dsn", "planted", "sentry_dsn must be https://KEY@HOST/PROJECT"),
    ],
)
def test_a_secret_that_is_not_what_it_should_be_is_told_without_its_value(
    tmp_path: Path, name: str, content: str, problem: str
) -> None:
    given = environment(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(SettingsError) as caught:
        read(given)
    assert caught.value.problems == [problem]


def test_who_resizes_images_starts_without_secrets(tmp_path: Path) -> None:
    given = environment(tmp_path, SERVICE_ROLE="images", SECRETS_DIR=str(tmp_path / "nowhere"))
    assert read(given).database_password is None


def with_shards(*slots: list[list[int]]) -> str:
    shards: list[dict[str, Any]] = [
        {"id": index, "database": f"d{index}", "primary": "p", "region": "r", "slots": ranges}
        for index, ranges in enumerate(slots)
    ]
    return json.dumps({**SHARD_MAP, "shards": shards})


def test_each_slot_is_on_one_shard(tmp_path: Path) -> None:
    found = settings(tmp_path, SHARD_MAP=with_shards([[0, 9], [200, 255]], [[10, 199]]))
    assert [shard.slots for shard in found.shard_map.shards] == [((0, 9), (200, 255)), ((10, 199),)]
    for wrong in ([[0, 254]], [[0, 255], [3, 3]], [[0, 256]]):
        assert problems(tmp_path, SHARD_MAP=with_shards(wrong)) == [
            "SHARD_MAP: must give each of the 256 slots to exactly one shard"
        ]


def test_a_move_has_a_source_and_a_target(tmp_path: Path) -> None:
    moving = [{"slots": [3, 5], "from": 0, "to": 1}]
    found = settings(tmp_path, SHARD_MAP=json.dumps({**SHARD_MAP, "moving": moving}))
    (move,) = found.shard_map.moving
    assert (move.slots, move.source, move.target) == ((3, 5), 0, 1)


def test_the_migration_and_the_upkeep_read_their_own(tmp_path: Path) -> None:
    for name in ("database_password", "application_password"):
        (tmp_path / name).write_text(name)
    given = {
        "SERVICE_ROLE": "migrate",
        "SECRETS_DIR": str(tmp_path),
        "DATABASE_WRITER_HOST": "db.example",
        "DATABASE_PORT": "5432",
        "DATABASE_NAMES": "headroom,headroom_1",
        "DATABASE_USER": "headroom_owner",
        "DATABASE_TLS": "verify-full",
        "DATABASE_CA_FILE": "/var/run/rds/ca.pem",
        "APPLICATION_USER": "headroom_app",
    }
    found = read(given)
    assert isinstance(found, MigrationSettings)
    assert found.database_names == ("headroom", "headroom_1")
    assert found.application_password.get_secret_value() == "application_password"
    (tmp_path / "application_password").unlink()
    night = read({**given, "SERVICE_ROLE": "upkeep"})
    assert isinstance(night, UpkeepSettings)
    assert night.database_names == found.database_names
    with pytest.raises(SettingsError) as caught:
        read({**given, "SERVICE_ROLE": "upkeep", "DATABASE_CA_FILE": ""})
    assert caught.value.problems == ["DATABASE_CA_FILE must name a file for DATABASE_TLS=verify-full"]


def test_a_container_with_bad_settings_ends_with_2_and_one_message(tmp_path: Path) -> None:
    given = environment(tmp_path, DATABASE_PORT="planted")
    result = subprocess.run(
        [sys.executable, "-m", "app"],
        cwd=ROOT,
        env={**given, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.splitlines()[0] == "the environment is not what the application needs:"
    assert "DATABASE_PORT" in result.stderr
    assert "planted" not in result.stderr
    assert "Traceback" not in result.stderr
