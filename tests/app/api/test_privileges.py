"""What users can write of their own account, whatever code runs as them: nothing that they pay for."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest

from tests.app.servers import APPLICATION, Postgres


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET tier = 5",
        "UPDATE profiles SET subscription_tier = 'plus'",
        "UPDATE profiles SET subscription_expires_at = now() + interval '9 years'",
        "INSERT INTO users (id, email, tier) VALUES (gen_random_uuid(), 'a@example.com', 5)",
        "INSERT INTO profiles (id, subscription_tier) VALUES (gen_random_uuid(), 'plus')",
        "INSERT INTO subscriptions (user_id, tier, status) VALUES (gen_random_uuid(), 5, 'active')",
    ],
)
def test_a_user_cannot_make_themselves_a_plan(postgres: Postgres, database: str, statement: str) -> None:
    user = uuid4()
    with psycopg.connect(postgres.url(database, APPLICATION)) as connection:
        connection.execute("SELECT set_config('app.user_id', %s, false)", (str(user),))
        connection.execute("INSERT INTO users (id, email) VALUES (%s, %s)", (user, f"{user}@example.com"))
        connection.execute("INSERT INTO profiles (id, display_name) VALUES (%s, 'Ada')", (user,))
        connection.execute("UPDATE users SET email = 'b@example.com', updated_at = now()")
        connection.execute("UPDATE profiles SET display_name = 'Ada L.'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())
