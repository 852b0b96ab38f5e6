"""Redis behind one small interface: commands in, replies out, never an exception, never later than a budget."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.client import PubSub
from redis.asyncio.cluster import ClusterNode, PipelineCommand
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    MovedError,
    NoScriptError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.maint_notifications import MaintNotificationsConfig

from app.cache.circuit import Circuit
from app.cache.events import Events
from app.cache.tls import share

BUDGET_SECONDS = 0.1
"""Of a call, connection included: a dead Redis must not cost a request more than the database would."""
REMOTE_BUDGET_SECONDS = 0.3
"""Of a call to another region's Redis: one round trip over the Atlantic is about 80 ms (not measured on AWS)."""
CONNECTIONS = 4
"""To a node, a process. While all are busy, what comes gathers, and goes together in one round trip: under load a
command costs a fifth of what it does alone. 100 pods of four processes stay far under a node's 65,000 clients."""
_PROBE_SECONDS = 1.0
_RECOVERY_SECONDS = (0.2, 0.5)
"""Pause before each probe, drawn from this range so that a thousand processes do not knock together."""

FAILURES = (RedisError, RedisClusterException, OSError, TimeoutError)
"""What Redis' absence looks like. `RedisClusterException` is no `RedisError`."""


class Lost:
    """The reply of a command that got none."""


LOST: Final = Lost()


class Script:
    """A Lua script, known to the servers by its digest."""

    def __init__(self, text: str) -> None:
        """Take the source."""
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Command(NamedTuple):
    """One command.

    Attributes:
        key: decides the node.
        arguments: name of the command, then what it takes.
        script: of `arguments`, when it is a script's keys and arguments.
    """

    key: str
    arguments: tuple[str | bytes | int | float, ...]
    script: Script | None = None

    def line(self, *, by_digest: bool) -> tuple[str | bytes | int | float, ...]:
        """As it is sent; a script's source, or only its digest."""
        if self.script is None:
            return self.arguments
        head = ("EVALSHA", self.script.digest) if by_digest else ("EVAL", self.script.text)
        return (*head, *self.arguments)


def command(name: str, key: str, *arguments: str | bytes | float) -> Command:
    """A command whose first argument is its key."""
    return Command(key, (name, key, *arguments))


def call(script: Script, keys: Sequence[str], *arguments: str | bytes | float) -> Command:
    """A script; `keys` must share a slot."""
    return Command(keys[0], (len(keys), *keys, *arguments), script)


class _Batch:
    """What goes to a node in one round trip, whoever asks."""

    def __init__(self) -> None:
        """Start empty."""
        self.commands: list[Command] = []
        self._waiting: list[tuple[asyncio.Future[list[Any]], int]] = []

    def add(self, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        """Take commands along; what will have their replies."""
        replies: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self.commands += commands
        self._waiting.append((replies, len(commands)))
        return replies

    def settle(self, replies: Sequence[Any]) -> None:
        """Give everybody theirs; who has given up gets none."""
        start = 0
        for one, count in self._waiting:
            if not one.done():
                one.set_result(list(replies[start : start + count]))
            start += count


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """Where Redis is.

    Attributes:
        url: `rediss://` with TLS, `redis://` without.
        clustered: the address of a cluster: one node, or the endpoint of all.
        user: of access control; None without.
        password: its password.
        ca_file: certificates to trust beside the system's.
    """

    url: str
    clustered: bool
    user: str | None = None
    password: str | None = None
    ca_file: str | None = None

    def __repr__(self) -> str:
        """Without the password."""
        return f"Access(url={self.url!r}, clustered={self.clustered})"


class Store:
    """A Redis, or a cluster of them. Every node has a circuit: one dead shard does not take the others along."""

    def __init__(self, access: Access, events: Events | None = None, budget_seconds: float = BUDGET_SECONDS) -> None:
        """Prepare; nothing is connected before `open`.

        Args:
            access: where and as whom.
            events: hears of failures.
            budget_seconds: of each call.
        """
        self._access, self._budget = access, budget_seconds
        self._events = events or Events()
        self._client = self._connect(access)
        share(self._client)
        self._circuits: dict[str, Circuit] = {}
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._gathering: dict[str, _Batch] = {}
        self._deliveries: set[asyncio.Task[None]] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._recovered: list[Callable[[], None]] = []

    async def open(self) -> bool:
        """Connect.

        Returns:
            Whether Redis answered; if not, it is looked for in the background, and every reply is lost until then.
        """
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._refresh()
                await self._probe(self._node(""))
        except FAILURES as error:
            self._events.failed("open", type(error).__name__)
            self._circuit("").is_open = True
            self._recover("")
            return False
        return True

    async def close(self) -> None:
        """Disconnect."""
        tasks = [*self._tasks.values(), *self._deliveries]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    @property
    def is_up(self) -> bool:
        """Whether no node is known to be down."""
        return not any(circuit.is_open for circuit in self._circuits.values())

    def on_recovery(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a node is back."""
        self._recovered.append(listener)

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """Run commands: those of a node in one round trip, nodes side by side.

        Returns:
            The replies in order; `LOST` where there is none.
        """
        groups: dict[str, list[int]] = {}
        for index, one in enumerate(commands):
            groups.setdefault(self._node(one.key), []).append(index)
        if len(groups) == 1:
            return await self._join(next(iter(groups)), commands)
        parts = [self._join(node, [commands[index] for index in indices]) for node, indices in groups.items()]
        replies: list[Any] = [LOST] * len(commands)
        for indices, part in zip(groups.values(), parts, strict=True):
            for index, reply in zip(indices, await part, strict=True):
                replies[index] = reply
        return replies

    def ask(self, one: Command) -> Awaitable[list[Any]]:
        """Run a command whose reply is wanted later: it goes together with what is asked until then."""
        return self._join(self._node(one.key), [one])

    @asynccontextmanager
    async def subscription(self, channel: str) -> AsyncIterator[PubSub]:
        """A connection of its own to the node that has the channel, subscribed to it (sharded).

        Raises:
            redis.exceptions.RedisError: or another of `FAILURES`, here and while reading.
        """
        node = self._member(self._node(channel))
        if node is None:
            client = Redis.from_url(self._access.url, **self._options())
        else:
            client = Redis(
                host=node.host, port=int(node.port), ssl=self._access.url.startswith("rediss"), **self._options()
            )
        share(client)
        async with client, client.pubsub() as subscriber:
            await subscriber.ssubscribe(channel)
            yield subscriber

    def _join(self, node: str, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        if self._circuit(node).is_open:
            lost: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
            lost.set_result([LOST] * len(commands))
            return lost
        batch = self._gathering.get(node)
        if batch is None:
            batch = self._gathering[node] = _Batch()
            delivery = asyncio.create_task(self._deliver(node, batch), name="redis-delivery")
            self._deliveries.add(delivery)
            delivery.add_done_callback(self._deliveries.discard)
        return batch.add(commands)

    async def _deliver(self, node: str, batch: _Batch) -> None:
        """Send what has gathered by the time that a connection is free."""
        circuit, replies = self._circuit(node), None
        loop, half, limit = asyncio.get_running_loop(), self._budget / 2, asyncio.timeout(None)
        # The second half begins when the loop gets to it: what came while this process stalled is read first.
        later = loop.call_later(half, lambda: limit.reschedule(loop.time() + half))
        try:
            async with limit, self._gates[node]:
                self._close(node, batch)
                replies = await self._replies(node, batch.commands)
        except FAILURES as error:
            self._failed(node, circuit, error)
        else:
            circuit.succeeded()
        finally:
            later.cancel()
            self._close(node, batch)
            batch.settle([LOST] * len(batch.commands) if replies is None else [self._checked(one) for one in replies])

    def _close(self, node: str, batch: _Batch) -> None:
        """Whoever comes from now on is too late for this batch."""
        if self._gathering.get(node) is batch:
            del self._gathering[node]

    async def _replies(self, node: str, commands: Sequence[Command]) -> list[Any]:
        replies = await self._pipeline(node, commands, by_digest=True)
        unknown = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            again = await self._pipeline(node, [commands[index] for index in unknown], by_digest=False)
            for index, reply in zip(unknown, again, strict=True):
                replies[index] = reply
        return replies

    async def _pipeline(self, node: str, commands: Sequence[Command], *, by_digest: bool) -> list[Any]:
        lines = [one.line(by_digest=by_digest) for one in commands]
        if isinstance(self._client, Redis):
            pipeline = self._client.pipeline(transaction=False)
            for line in lines:
                pipeline.execute_command(*line)
            replies = await pipeline.execute(raise_on_error=False)
        else:
            replies = await self._pipeline_to(self._client, node, lines)
        for reply in replies:
            if isinstance(reply, Exception) and not isinstance(reply, ResponseError):
                raise reply
        return replies

    async def _pipeline_to(self, cluster: RedisCluster, node: str, lines: Sequence[tuple[Any, ...]]) -> list[Any]:
        """To one node, without the client's own pipeline, which takes twice the CPU to find the node that we know."""
        member = self._member(node)
        if member is None:
            msg = "the cluster's nodes are not known"
            raise RedisClusterException(msg)
        parts = [PipelineCommand(index, *line) for index, line in enumerate(lines)]
        await member.execute_pipeline(parts)
        for part, line in zip(parts, lines, strict=True):
            if isinstance(part.result, (MovedError, AskError, TryAgainError)):
                # The slot is on its way to another node, or there: the client follows, and learns it.
                try:
                    part.result = await cluster.execute_command(*line)
                except ResponseError as error:
                    part.result = error
        return [part.result for part in parts]

    def _checked(self, reply: Any) -> Any:
        """A refusal (no memory left, read-only, wrong type) is told and lost; it says nothing about the node."""
        if isinstance(reply, Exception):
            self._events.failed("reply", type(reply).__name__)
            return LOST
        return reply

    def _failed(self, node: str, circuit: Circuit, error: BaseException) -> None:
        self._events.failed("call", type(error).__name__)
        if circuit.failed():
            self._events.circuit(node, is_open=True)
            self._recover(node)

    def _circuit(self, node: str) -> Circuit:
        found = self._circuits.get(node)
        if found is None:
            found = self._circuits[node] = Circuit()
            self._gates[node] = asyncio.Semaphore(CONNECTIONS)
        return found

    def _recover(self, node: str) -> None:
        if node not in self._tasks:
            self._tasks[node] = asyncio.create_task(self._recovering(node), name=f"redis-recovery-{node}")

    async def _recovering(self, node: str) -> None:
        """Probe a node until it answers, or is no longer part of the cluster. No request waits for that."""
        while True:
            await asyncio.sleep(random.uniform(*_RECOVERY_SECONDS))  # noqa: S311 spreads load, keeps no secret
            with suppress(*FAILURES):
                async with asyncio.timeout(_PROBE_SECONDS):
                    await self._refresh()
                    if self._is_member(node):
                        await self._probe(node)
                break
        del self._tasks[node]
        self._circuits.pop(node)
        self._gates.pop(node)
        self._events.circuit(node, is_open=False)
        for listener in self._recovered:
            listener()

    async def _refresh(self) -> None:
        """Ask the cluster who has which slots. Pipelines never do that by themselves when a node is gone."""
        if isinstance(self._client, RedisCluster):
            await self._client.initialize()
            await self._client.nodes_manager.initialize()

    async def _probe(self, node: str) -> None:
        member = self._member(node)
        if member is None:
            await self._client.ping()
            return
        # Its idle connections died with it, and each would cost a call.
        await member.disconnect_free_connections()
        await member.execute_command("PING")

    def _node(self, key: str) -> str:
        """Name of the node that has a key; empty for a Redis without cluster, or as long as nothing is known."""
        if isinstance(self._client, Redis):
            return ""
        try:
            node = self._client.get_node_from_key(key)
        except FAILURES:
            return ""
        return str(node.name) if node else ""

    def _member(self, node: str) -> ClusterNode | None:
        if isinstance(self._client, Redis) or not node:
            return None
        return self._client.get_node(node_name=node)

    def _is_member(self, node: str) -> bool:
        return isinstance(self._client, Redis) or self._member(node) is not None

    def _options(self) -> dict[str, Any]:
        access = self._access
        tls = {"ssl_ca_certs": access.ca_file} if access.ca_file else {}
        return {
            "username": access.user,
            "password": access.password,
            # A budget bounds each call as a whole; this lets a refresh go on to the next node.
            # Without `socket_timeout`: it costs a task for every command.
            "socket_connect_timeout": _PROBE_SECONDS / 4,
            "socket_timeout": None,
            "retry": Retry(NoBackoff(), 0),
            "max_connections": CONNECTIONS + 2,
            # Valkey knows no such command, and asking costs a round trip on every connection.
            "maint_notifications_config": MaintNotificationsConfig(enabled=False),
            **tls,
        }

    def _connect(self, access: Access) -> Redis | RedisCluster:
        if access.clustered:
            # ElastiCache serves the slots it has while a shard is down; so do we.
            return RedisCluster.from_url(access.url, require_full_coverage=False, **self._options())
        return Redis.from_url(access.url, **self._options())
