"""Rows of a delimited text file, plain or gzipped, whose faults say where they are."""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TextIO, TypeVar

from node.types.errors import MalformedNumber, PathUnusable, TapeMalformed
from node.types.units import units_from_decimal

Choice = TypeVar("Choice")

GZIP_MAGIC = b"\x1f\x8b"


class Row:
    """The fields of one line; columns are counted from 0 here, from 1 in errors."""

    __slots__ = ("columns", "fields", "file", "line")

    def __init__(self, file: Path, line: int, columns: Sequence[str], fields: list[str]) -> None:
        self.file = file
        self.line = line
        self.columns = columns
        self.fields = fields

    def fault(self, column: int, detail: str) -> TapeMalformed:
        """Return the error that says what is wrong with one field."""
        return TapeMalformed(
            file=self.file.name,
            line=self.line,
            column=f"{column + 1} ({self.columns[column]})",
            text=self.fields[column][:40],
            detail=detail,
        )

    def units(self, column: int, decimals: int, least: int = 0) -> int:
        """Return a decimal number as a count of ``10**-decimals``, at least ``least``."""
        try:
            units = units_from_decimal(self.fields[column], decimals)
        except MalformedNumber:
            detail = f"not a plain decimal number with at most {decimals} digits after the point"
            raise self.fault(column, detail) from None
        if units < least:
            raise self.fault(column, f"less than {least} units of 10**-{decimals}")
        return units

    def choice(self, column: int, choices: Mapping[str, Choice]) -> Choice:
        """Return what one of the words ``choices`` stands for."""
        try:
            return choices[self.fields[column]]
        except KeyError:
            raise self.fault(column, f"none of {', '.join(choices)}") from None


def read_rows(file: Path, columns: Sequence[str], separator: str, *, header: bool) -> Iterator[Row]:
    """Yield the rows of ``file``; a header, where there is one, must name exactly ``columns``.

    Empty lines are passed over. Raises ``TapeMalformed``, or ``PathUnusable`` of the file.
    """
    with _open(file) as text:
        try:
            for line, content in enumerate(text, start=1):
                stripped = content.rstrip("\r\n")
                if not stripped and not (header and line == 1):
                    continue
                fields = stripped.split(separator)
                if header and line == 1:
                    _check(fields == list(columns), file, line, stripped, "not the header", columns)
                    continue
                _check(
                    len(fields) == len(columns), file, line, stripped, "not the columns", columns
                )
                yield Row(file, line, columns, fields)
        except (EOFError, UnicodeDecodeError, gzip.BadGzipFile) as error:
            raise TapeMalformed(
                file=file.name, line=0, column="", text="", detail=f"unreadable: {error}"
            ) from None


def with_next(rows: Iterator[Row]) -> Iterator[tuple[Row, Row | None]]:
    """Yield each row together with the one that follows it (None after the last)."""
    return pairwise(_and_none(rows))  # type: ignore[arg-type]


def _and_none(rows: Iterator[Row]) -> Iterator[Row | None]:
    yield from rows
    yield None


def _open(file: Path) -> TextIO:
    try:
        with file.open("rb") as raw:
            zipped = raw.read(2) == GZIP_MAGIC
    except OSError as error:
        raise PathUnusable(path=str(file), detail=error.strerror) from error
    opener: Any = gzip.open if zipped else open
    return opener(file, "rt", encoding="utf-8", newline="\n")  # type: ignore[no-any-return]


def _check(
    fits: bool,
    file: Path,
    line: int,
    text: str,
    detail: str,
    columns: Sequence[str],
) -> None:
    if not fits:
        raise TapeMalformed(
            file=file.name,
            line=line,
            column="1",
            text=text[:40],
            detail=f"{detail} {','.join(columns)}",
        )
