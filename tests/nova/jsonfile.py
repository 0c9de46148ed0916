"""Write JSON that a reader can follow: sorted keys, indent 1, a short list on one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WIDTH = 100


def render(value: Any, depth: int = 0) -> str:
    """Return `value` as JSON text.

    A dict is broken into lines, and so is a list of containers that does not fit into WIDTH.
    """
    inner, outer = " " * (depth + 1), " " * depth
    if isinstance(value, dict) and value:
        items = [
            f"{inner}{json.dumps(key, ensure_ascii=False)}: {render(value[key], depth + 1)}"
            for key in sorted(value)
        ]
        return "{\n" + ",\n".join(items) + f"\n{outer}}}"
    nested = isinstance(value, list) and any(isinstance(item, dict | list) for item in value)
    if nested and len(json.dumps(value, ensure_ascii=False)) + depth > WIDTH:
        items = [f"{inner}{render(item, depth + 1)}" for item in value]
        return "[\n" + ",\n".join(items) + f"\n{outer}]"
    return json.dumps(value, ensure_ascii=False)


def write(path: Path, value: Any) -> None:
    """Write `value` to `path` as JSON, with a newline at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(value) + "\n", encoding="utf-8")
