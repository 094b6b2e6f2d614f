"""What the query of a request may say: nothing is passed over in silence."""

from collections.abc import Iterable, Mapping

from node.types.errors import MalformedMessage


def refuse_unknown(asked: Mapping[str, str], allowed: Iterable[str]) -> None:
    """Raise ``MalformedMessage`` if ``asked`` has a name that is not ``allowed``, or one twice.

    Who misspells a deadline must not be left to believe that he has one.
    """
    # Its items alone tell a name that stands there twice.
    known, names = sorted(allowed), [name for name, _ in asked.items()]
    unknown = sorted(name for name in names if name not in known or names.count(name) > 1)
    if unknown:
        detail = f"allowed: {', '.join(known) or 'nothing'}, each once"
        raise MalformedMessage(detail=detail, text=unknown[0][:40])
