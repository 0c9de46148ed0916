"""The command line: `python -m compute_api` starts the service on 127.0.0.1."""

import argparse
import sys
import tempfile
from pathlib import Path

import uvicorn
from sqlalchemy.exc import SQLAlchemyError

if not __package__:  # started as a directory
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from compute_api.app import create_app
from compute_api.store import Mode, Store
from serverfsm.requests import action_names
from serverfsm.rulebook import RULEBOOKS


def _seconds(text: str) -> tuple[str, float]:
    """Read "SECONDS" or "ACTION=SECONDS"."""
    action, _, seconds = text.rpartition("=")
    return action_names(action)[0] if action else "", float(seconds)


def main() -> None:
    """Read the options, and serve until interrupted."""
    parser = argparse.ArgumentParser(prog="compute_api", description="A small Nova-compatible API.")
    add = parser.add_argument
    add("--port", type=int, default=8774, help="0: any that is free (8774)")
    add("--database", metavar="URL", help="unless given, a SQLite file that is gone at the end")
    add("--mode", choices=list(Mode), type=Mode, default=Mode.IMMEDIATE, help="when work is done")
    add("--seconds", action="append", type=_seconds, default=[], metavar="[ACTION=]SECONDS",
        help="how long work stays at each task_state (1); may be repeated")  # fmt: skip
    add("--auth", choices=("noauth", "tokens"), default="noauth")
    add("--rulebook", choices=list(RULEBOOKS), default="api-reference")
    add("--seed", type=int, help="the same ids and passwords in every run")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        url = given.database or f"sqlite:///{directory}/compute.sqlite"
        durations, book = dict(given.seconds), RULEBOOKS[given.rulebook]
        try:
            store = Store(url, book, given.mode, seconds=durations, seed=given.seed)
        except (SQLAlchemyError, ImportError) as error:
            parser.error(f"--database: {error}")
        app = create_app(store, noauth=given.auth == "noauth")
        uvicorn.run(app, host="127.0.0.1", port=given.port, access_log=False)


if __name__ == "__main__":
    main()
