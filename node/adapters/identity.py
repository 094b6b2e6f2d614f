"""Which exchange a log, a snapshot, a batch, a history or a whole data folder belongs to."""

import msgspec

from node.types.blocks import Domain
from node.types.errors import WrongChain
from node.types.rules import Rules


class Identity(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The one exchange that a log, a snapshot or a folder belongs to; ``rules`` is their digest."""

    chain_id: int
    rollup: bytes
    rules: bytes

    @classmethod
    def of(cls, domain: Domain, rules: Rules) -> "Identity":
        """Return the identity of the exchange with ``rules`` at ``domain``."""
        return cls(chain_id=domain.chain_id, rollup=domain.rollup, rules=rules.digest())

    @property
    def domain(self) -> Domain:
        """Return the chain and the contract."""
        return Domain(chain_id=self.chain_id, rollup=self.rollup)

    def require(self, found: "Identity", where: str) -> None:
        """Raise ``WrongChain`` with the first field in which ``found``, at ``where``, differs."""
        for field in self.__struct_fields__:
            mine, theirs = getattr(self, field), getattr(found, field)
            if mine != theirs:
                raise WrongChain(where=where, field=field, expected=mine, found=theirs)
