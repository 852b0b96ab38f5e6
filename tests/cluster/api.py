"""etcd and kube-apiserver as EKS runs them, as far as what it accepts goes, and a small client."""

import json
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from socket import socket
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from components.namespace import SERVICE_CIDR
from tools.cluster.build import Cluster

Manifest = Mapping[str, Any]
TOKEN = "of-a-server-that-lives-as-long-as-the-tests"
START_SECONDS = 120
SETTLE_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    """What the server said; `warnings` are those that kubectl would print."""

    status: int
    body: dict[str, Any]
    warnings: Sequence[str] = ()

    @property
    def problem(self) -> str | None:
        """Why this is not a plain yes."""
        if self.status >= 400:
            return str(self.body.get("message", self.body))
        return "; ".join(f"warning: {one}" for one in self.warnings) or None


class Api:
    """One administrator's connection."""

    def __init__(self, port: int, trust: Path) -> None:
        """Take the server's certificate from `trust`."""
        context = ssl.create_default_context(cafile=trust)
        self._connection = HTTPSConnection("127.0.0.1", port, timeout=60, context=context)
        self._made: dict[str, Manifest] = {}
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def ask(self, method: str, path: str, body: Any = None, content: str = "application/json") -> Answer:
        """Send one request."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": content}
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = self._connection.getresponse()
        text = response.read().decode()
        said = json.loads(text) if text.startswith("{") else {"message": text}
        return Answer(response.status, said, response.headers.get_all("Warning") or [])

    def apply(self, manifest: Manifest) -> Answer:
        """Server-side apply as Pulumi's provider does it; a field that the server does not know is an error."""
        query = {"fieldManager": "headroom", "force": "true", "fieldValidation": "Strict"}
        return self._send("PATCH", self.path(manifest), query, manifest, "application/apply-patch+yaml")

    def create(self, manifest: Manifest) -> Answer:
        """Create an object, which the server may name, as controllers do."""
        return self._send("POST", self._collection(manifest), {"fieldValidation": "Strict"}, manifest)

    def _send(
        self, method: str, path: str, query: Mapping[str, str], manifest: Manifest, content: str = "application/json"
    ) -> Answer:
        answer = self.ask(method, f"{path}?{urlencode(query)}", manifest, content)
        if answer.status < 300:
            made = {**manifest, "metadata": answer.body["metadata"]}
            self._made[self.path(made)] = made
        return answer

    def path(self, manifest: Manifest) -> str:
        """Where a named object is."""
        return f"{self._collection(manifest)}/{manifest['metadata']['name']}"

    def _collection(self, manifest: Manifest) -> str:
        version, kind = manifest["apiVersion"], manifest["kind"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if root not in self._kinds:
            found = self.ask("GET", root).body.get("resources", [])
            self._kinds[root] = {
                one["kind"]: (one["name"], one["namespaced"]) for one in found if "/" not in one["name"]
            }
        # Of an unknown kind the server says that it could not find it.
        plural, namespaced = self._kinds[root].get(kind, (kind, False))
        namespace = manifest["metadata"].get("namespace", "default")
        return f"{root}/namespaces/{namespace}/{plural}" if namespaced else f"{root}/{plural}"

    def define(self, definition: Manifest) -> Answer:
        """Add a custom resource definition, and wait until the server takes objects of it."""
        answer = self.apply(definition)
        spec = definition["spec"]
        names = spec["names"]
        for version in spec["versions"] if answer.problem is None else ():
            root = f"/apis/{spec['group']}/{version['name']}"
            self._wait_for(200, f"{root}/{names['plural']}")
            self._kinds.setdefault(root, {})[names["kind"]] = names["plural"], spec["scope"] == "Namespaced"
        return answer

    def remove(self, manifest: Manifest) -> None:
        """Delete an object at once, in the controllers' place where there is something to clean up."""
        path = self.path(manifest)
        self._made.pop(path, None)
        self.ask("DELETE", f"{path}?gracePeriodSeconds=0&propagationPolicy=Background")
        if manifest["kind"] == "Namespace":
            # Nobody empties it here; what was in it is gone already.
            current = self.ask("GET", path).body
            self.ask("PUT", f"{path}/finalize", {**current, "spec": {"finalizers": []}})
        self._wait_for(404, path)

    def _wait_for(self, status: int, path: str) -> None:
        _until(lambda: self.ask("GET", path).status == status, f"{path} does not answer {status}")

    @contextmanager
    def scratch(self) -> Iterator[None]:
        """Remove all that is made from here on, the last one first."""
        before = set(self._made)
        try:
            yield
        finally:
            for manifest in reversed([made for path, made in self._made.items() if path not in before]):
                self.remove(manifest)


@contextmanager
def running(cluster: Cluster, directory: Path) -> Iterator[Api]:
    """Start both servers, and stop them at the end.

    Args:
        cluster: the executables.
        directory: for data, keys and logs; empty.
    """
    etcd_port, peer_port, port = _free_ports(3)
    etcd = f"http://127.0.0.1:{etcd_port}"
    certificates, account_key = directory / "certificates", directory / "accounts.key"
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    account_key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    tokens = directory / "tokens.csv"
    tokens.write_text(f'{TOKEN},administrator,1,"system:masters"\n')
    commands: dict[str, list[Path | str]] = {
        "etcd": [
            cluster.etcd,
            f"--data-dir={directory / 'etcd'}",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer_port}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ],
        "kube-apiserver": [
            cluster.api_server,
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--cert-dir={certificates}",
            # As on EKS: whether a namespace takes privileged pods is for its labels to say.
            "--allow-privileged=true",
            "--anonymous-auth=false",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            f"--service-cluster-ip-range={SERVICE_CIDR}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={account_key}",
            f"--service-account-signing-key-file={account_key}",
        ],
    }
    with ExitStack() as stack:
        started = {
            name: stack.enter_context(_process(command, directory / f"{name}.log"))
            for name, command in commands.items()
        }

        def is_ready() -> bool:
            for name, process in started.items():
                assert process.poll() is None, f"{name} ended: {(directory / f'{name}.log').read_text()[-2000:]}"
            try:
                with closing(Api(port, certificates / "apiserver.crt")) as probe:
                    return probe.ask("GET", "/readyz").status == 200
            except OSError:
                return False

        _until(is_ready, f"kube-apiserver is not ready; see {directory}", START_SECONDS)
        yield stack.enter_context(closing(Api(port, certificates / "apiserver.crt")))


@contextmanager
def _process(command: Sequence[Path | str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, cwd=log.parent) as process:
        try:
            yield process
        finally:
            # etcd's end would keep the API server waiting for a minute; nothing of either is wanted any more.
            process.kill()


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now; held together, so that they differ."""
    with ExitStack() as stack:
        found = [stack.enter_context(socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


def _until(done: Callable[[], bool], failure: str, seconds: float = SETTLE_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise AssertionError(failure)
        time.sleep(0.05)
