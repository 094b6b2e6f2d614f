"""What the query of a request may say: nothing is passed over in silence."""

from collections.abc import Iterable

from node.types.errors import MalformedMessage


def refuse_unknown(asked: Iterable[str], allowed: Iterable[str]) -> None:
    """Raise ``MalformedMessage`` if ``asked`` has a name that is not ``allowed``.

    Who misspells a deadline must not be left to believe that he has one.
    """
    known = sorted(allowed)
    unknown = sorted(set(asked).difference(known))
    if unknown:
        detail = f"allowed: {', '.join(known) or 'nothing'}"
        raise MalformedMessage(detail=detail, text=unknown[0][:40])
