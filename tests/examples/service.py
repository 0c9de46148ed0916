"""The example service, started for a test: in this process, or in one of its own."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
if str(EXAMPLES) not in sys.path:
    sys.path.insert(0, str(EXAMPLES))

from compute_api.app import create_app  # noqa: E402
from compute_api.cloud import TOKENS  # noqa: E402
from compute_api.store import Store  # noqa: E402

FLAVOR, BIGGER_FLAVOR = "1", "2"
IMAGE = "155d900f-4e14-4e4c-a73d-069cbf4541e6"
TOKEN_OF = {who.user: token for token, who in TOKENS.items()}
PATIENCE = 30


@dataclass(frozen=True)
class Reply:
    """An answer of the service, as it came."""

    code: int
    text: str
    headers: httpx.Headers

    @property
    def body(self) -> Any:
        """The body as JSON, None if there is none."""
        return json.loads(self.text) if self.text else None

    @property
    def message(self) -> str:
        """The message of a fault."""
        (fault,) = self.body.values()
        return str(fault["message"])


class Cloud:
    """A running service. Requests are sent as the users of its cloud.json, by name."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False)

    def send(
        self,
        actor: str,
        method: str,
        path: str,
        body: Any = None,
        version: str | None = "2.104",
        prefix: str = "/v2.1",
        **headers: str,
    ) -> Reply:
        """Send a request; `body` goes as JSON, bytes as they are; "anonymous" has no token."""
        given = {"X-Auth-Token": TOKEN_OF[actor]} if actor in TOKEN_OF else {}
        if version is not None:
            given["OpenStack-API-Version"] = f"compute {version}"
        if body is not None:
            given["Content-Type"] = "application/json"
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        url = f"{prefix}{path}"
        answer = self.client.request(method, url, content=content, headers={**given, **headers})
        return Reply(answer.status_code, answer.text, answer.headers)

    def create(self, name: str = "web", actor: str = "member", **more: Any) -> str:
        """Create a server; return its id."""
        server = {"name": name, "flavorRef": FLAVOR, "imageRef": IMAGE, "networks": "none", **more}
        reply = self.send(actor, "POST", "/servers", {"server": server})
        assert reply.code == 202, reply.text
        return str(reply.body["server"]["id"])

    def act(
        self, server: str, action: str, argument: Any = None, actor: str = "member", **more: Any
    ) -> Reply:
        """Send an action."""
        return self.send(actor, "POST", f"/servers/{server}/action", {action: argument}, **more)

    def show(self, server: str, actor: str = "admin", version: str = "2.104") -> dict[str, Any]:
        """Return a server's document."""
        reply = self.send(actor, "GET", f"/servers/{server}", version=version)
        assert reply.code == 200, reply.text
        document: dict[str, Any] = reply.body["server"]
        return document

    def status(self, server: str) -> tuple[str, str | None]:
        """Return a server's status and task_state."""
        document = self.show(server)
        return document["status"], document["OS-EXT-STS:task_state"]

    def control(self, what: str, **given: Any) -> Reply:
        """Say what is to happen."""
        return self.send("admin", "POST", f"/control/{what}", given, prefix="")


@contextlib.contextmanager
def serving(store: Store, *, noauth: bool = False) -> Iterator[Cloud]:
    """Run the service in a thread of this process, on a free port, with this store."""
    app = create_app(store, noauth=noauth)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on", ws="none"))
    # With the protocol said, asyncio sends small answers at once.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        cloud = Cloud(f"http://127.0.0.1:{listening.getsockname()[1]}")
        try:
            end = time.monotonic() + PATIENCE
            while not server.started:
                assert time.monotonic() < end, "the service does not start"
                time.sleep(0.01)
            yield cloud
        finally:
            cloud.client.close()
            server.should_exit = True
            thread.join(PATIENCE)
            store.stop.set()
            store.engine.dispose()


@contextlib.contextmanager
def started(*options: str) -> Iterator[Cloud]:
    """Run the service as its users do, by its command, in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "compute_api", "--port", str(port), *options]
    with subprocess.Popen(
        command, cwd=EXAMPLES, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        cloud = Cloud(f"http://127.0.0.1:{port}")
        try:
            end = time.monotonic() + PATIENCE
            while process.poll() is None and time.monotonic() < end:
                with contextlib.suppress(httpx.TransportError):
                    if cloud.send("anonymous", "GET", "/").code == 200:
                        break
                time.sleep(0.05)
            if process.poll() is not None:
                raise RuntimeError(f"it ended: {process.communicate()[0]}")
            yield cloud
        finally:
            cloud.client.close()
            process.terminate()
            process.communicate(timeout=PATIENCE)
