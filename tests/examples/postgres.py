"""A private PostgreSQL cluster from the system's packages, on a free port of 127.0.0.1."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BINARIES = Path("/usr/lib/postgresql/15/bin")
USER = "postgres"  # root may not run the server


def missing() -> str | None:
    """Return why no cluster can be started here; None if one can."""
    if not (BINARIES / "postgres").is_file():
        return f"PostgreSQL 15 is not installed under {BINARIES}"
    if os.geteuid() != 0:
        return None
    if shutil.which("setpriv") is None:
        return "setpriv is not there, and root may not run PostgreSQL"
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return f"there is no user {USER}, and root may not run PostgreSQL"
    return None


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Cluster:
    """A cluster that runs until `stop`.

    Attributes:
        url: of its database, for SQLAlchemy.
        port: where it listens.
    """

    def __init__(self, directory: Path, *, durable: bool) -> None:
        self._data, self._log = directory / "data", directory / "log"
        self._prefix: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(directory, USER)
            self._prefix = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
        self.port = _free_port()
        self.url = f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/postgres"
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 120,
            "shared_buffers": "64MB",
            "fsync": "on" if durable else "off",
        }
        self._run("initdb", "-D", str(self._data), "-U", USER, "-A", "trust", "-E", "UTF8", "-N")
        self._server: subprocess.Popen[bytes] | None = None
        self.start()

    def _run(self, name: str, *words: str) -> None:
        command = [*self._prefix, str(BINARIES / name), *words]
        subprocess.run(command, check=True, capture_output=True, cwd="/")

    def start(self) -> None:
        """Start the postmaster and wait until it answers.

        Raises:
            RuntimeError: it does not; the end of its log is in the message.
        """
        words = [f"-c{name}={value}" for name, value in self._settings.items()]
        command = [*self._prefix, str(BINARIES / "postgres"), "-D", str(self._data), *words]
        ready = [str(BINARIES / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        for _ in range(600):
            if self._server is None or self._server.poll() is not None:
                # A killed one's other processes may hold its memory still: then it is tried again.
                with self._log.open("ab") as log:
                    self._server = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
            if subprocess.run(ready, check=False).returncode == 0:
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"PostgreSQL did not start:\n{self._log.read_text()[-2000:]}")

    def kill(self) -> None:
        """SIGKILL the postmaster; its other processes find out and end."""
        assert self._server is not None
        self._server.kill()
        self._server.wait()

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """Make a database, give its URL, and drop it, whoever is connected."""
        at = ["-h", "127.0.0.1", "-p", str(self.port), "-U", USER]
        self._run("createdb", *at, name)
        try:
            yield f"{self.url.rpartition('/')[0]}/{name}"
        finally:
            self._run("dropdb", "--force", *at, name)

    def stop(self) -> None:
        """Stop at once, whatever is connected."""
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait(timeout=60)


@contextmanager
def cluster(*, durable: bool = False) -> Iterator[Cluster]:
    """Run a cluster for as long as the context lasts; nothing is left of it."""
    with tempfile.TemporaryDirectory(prefix="guards-") as directory:
        found = Cluster(Path(directory), durable=durable)
        try:
            yield found
        finally:
            found.stop()
