"""`python -m serverfsm`, and the command `serverfsm`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; say in one line what is missing if its extra is not installed."""
    try:
        from serverfsm.cli import run
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("serverfsm"):
            raise
        sys.exit(f"serverfsm: the command line needs {error.name}: pip install 'serverfsm[cli]'")
    run()


if __name__ == "__main__":
    main()
