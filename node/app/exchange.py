"""Which exchange a node serves: the one it is told, the one its data belong to, or a new one."""

from pathlib import Path
from typing import Final

import aiohttp
import msgspec
import structlog
from eth_account import Account
from eth_utils import to_checksum_address
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import Web3Exception

from node.adapters import batch_store, journal_segment, snapshots
from node.adapters.data_folder import reserved, store_identity, stored_identity
from node.adapters.deployment import Deployment, deploy
from node.adapters.devnet.keys import dev_key
from node.adapters.devnet.settings import DevnetSettings
from node.adapters.durable_file import unusable
from node.adapters.identity import Identity
from node.adapters.key_signer import read_key_file
from node.adapters.numbered_files import numbered_files
from node.app.config import NodeConfig
from node.transition.replay import Replica
from node.types.blocks import Domain
from node.types.errors import (
    ChainUnavailable,
    ConfigInvalid,
    DeploymentFailed,
    SetupError,
    WrongChain,
)
from node.types.ids import NO_ADDRESS, address_from_hex
from node.types.rules import Rules

_log = structlog.get_logger(__name__)


def sequencer_key(config: NodeConfig, chain_id: int) -> bytes:
    """Return the sequencer's private key.

    Without a ``key_file`` it is the first key of the devnet's public mnemonic, which anyone can
    derive: on any other chain that is refused. Raises ``ConfigInvalid``.
    """
    if not config.l1.key_file:
        if chain_id != DevnetSettings().chain_id:
            raise ConfigInvalid(
                faults=(f"l1.key_file: is missing, and chain {chain_id} is not a devnet",)
            )
        return dev_key(0)
    return read_key_file(Path(config.l1.key_file), "l1.key_file")


def genesis_root(rules: Rules) -> bytes:
    """Return the root of the state before the first command; no address goes into it."""
    return Replica.genesis(rules, Domain(0, NO_ADDRESS)).root


async def find_or_deploy(config: NodeConfig, chain_id: int, secret: bytes) -> tuple[Domain, bool]:
    """Return the domain of the exchange to serve, and whether there was none and it is a new one.

    Raises ``WrongChain`` where the configured rollup is not the one that the data belong to, and
    what ``_deploy_once`` raises.
    """
    stored = stored_identity(config.data)
    named = address_from_hex(config.l1.rollup) if config.l1.rollup else None
    if stored is not None:
        if named is not None and named != stored.rollup:
            raise WrongChain(where=str(config.data), expected=named, found=stored.rollup)
        return stored.domain, False
    if named is not None:
        return Domain(chain_id, named), False
    return await _deploy_once(config, chain_id, secret), True


async def _deploy_once(config: NodeConfig, chain_id: int, secret: bytes) -> Domain:
    """Deploy, and note it in the data folder at once, so that no later start pays again.

    Raises ``DataLocked``, ``PathUnusable`` and ``SetupError`` before anything is paid for; then as
    ``_deploy``.
    """
    with reserved(config.data):
        stored = stored_identity(config.data)
        if stored is None:
            _require_no_log(config.data)
            rollup = address_from_hex((await _deploy(config, secret)).rollup)
            stored = Identity.of(Domain(chain_id, rollup), config.rules)
            store_identity(config.data, stored)
        return stored.domain


_KEPT: Final = (
    ("journal", journal_segment.DIGITS, journal_segment.SUFFIX),
    ("batches", batch_store.DIGITS, batch_store.SUFFIX),
    ("snapshots", snapshots.DIGITS, snapshots.SUFFIX),
)
"""Where a log stands in a data folder, and how its files are named."""


def _require_no_log(data: Path) -> None:
    """Raise ``SetupError`` where ``data`` hold a log, of which nothing says whose it is."""
    for name, digits, suffix in _KEPT:
        try:
            held = numbered_files(data / name, digits, suffix)
        except OSError as error:
            raise unusable(error, data / name) from None
        if held:
            raise SetupError(
                file=str(data / "identity.json"),
                detail=f"is missing, but {held[0]} is there: put the file back from a backup, or"
                " name the exchange that the data are of (--rollup, l1.rollup)",
            )


async def _deploy(config: NodeConfig, secret: bytes) -> Deployment:
    """Deploy with the sequencer's key. Raises ``DeploymentFailed`` and ``ChainUnavailable``."""
    deployer = Account.from_key(secret)
    provider = AsyncHTTPProvider(config.l1.rpc)
    try:
        deployment = await deploy(
            AsyncWeb3(provider),
            deployer,
            sequencer=deployer.address,
            rules=config.rules.encode(),
            genesis_root=genesis_root(config.rules),
            finality_blocks=config.l1.finality_blocks,
            token=to_checksum_address(config.l1.token) if config.l1.token else None,
        )
    except Web3Exception as error:
        raise DeploymentFailed(deployer=deployer.address, detail=str(error)) from error
    except (aiohttp.ClientError, OSError) as error:
        raise ChainUnavailable(detail=str(error)) from error
    finally:
        await provider.disconnect()
    _log.info("exchange_deployed", **msgspec.structs.asdict(deployment))
    return deployment
