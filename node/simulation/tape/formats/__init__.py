"""The file formats of tapes, by the name that the command line knows them by."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from node.simulation.tape.event import Tape
from node.simulation.tape.formats.bitstamp import read_bitstamp
from node.simulation.tape.formats.bme import read_bme
from node.simulation.tape.formats.lobster import read_lobster
from node.simulation.tape.formats.plain import read_csv

FORMATS: Final[dict[str, Callable[[Path], Tape]]] = {
    "bme": read_bme,
    "lobster": read_lobster,
    "bitstamp": read_bitstamp,
    "csv": read_csv,
}
