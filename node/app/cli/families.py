"""The commands of the command line, by the modules of this package that hold them.

Their first sentences stand here once more: the help of the whole command line imports none of the
modules, which takes seconds, most of them for libraries that a trader never uses.
"""

from typing import Final

FAMILIES: Final[dict[str, dict[str, str]]] = {
    "daemon": {
        "run": "Run a node until it is interrupted; it then drains, and posts what is left.",
        "devnet": "Serve a py-evm chain on loopback until interrupted. Its accounts are anvil's:"
        " public keys.",
        "config": "Check a configuration and its rules, and print what the node would run with.",
    },
    "verify": {
        "verify": "Rebuild the exchange with an empty disk and compare every root. Exits 1 on a"
        " difference.",
    },
    "money": {
        "deposit": "Deposit on L1 for the key's own account, and wait until the exchange has it.",
        "withdraw": "Withdraw: sign it, wait until its batch is final on L1, and claim it there"
        " with its proof.",
    },
    "keys": {
        "keys": "Make keys, and say who may act for an account.",
    },
    "trade": {
        "order": "Place an order, and tell what became of it once it is durable; or preview what"
        " it would be.",
        "cancel": "Cancel orders by number, by client id, of one market, or all.",
    },
    "amend": {
        "amend": "Change an open order, which keeps its numbers.",
        "switch": "Set the dead man's switch: when the exchange itself cancels all orders of the"
        " account.",
    },
    "look": {
        "positions": "Show balances and positions, each at its mark and with the price that would"
        " liquidate it.",
        "orders": "Show the open orders of an account, or of those that ended the last to be"
        " accepted.",
        "fills": "Show the last fills of an account, the newest first, from the node's history.",
        "book": "Show a market's book, live until Ctrl-C; with --json a line when it has changed.",
    },
    "status": {
        "status": "Show a node's health, its load line, how far L1 is, and the top of each book.",
    },
    "faucet": {
        "faucet": "Get test money for an account of an exchange on a devnet, and wait until it is"
        " there.",
        "api": "Write the documents of the API: OpenAPI 3.1 and AsyncAPI 3, made of the node's"
        " types.",
    },
    "history": {
        "export": "Write tables of the history as Parquet files. The node may run meanwhile.",
        "history": "The exchange's history in SQL.",
    },
    "simulate": {
        "demo": "Watch the whole story: chain, node, calm, rush and crash, batches, and the"
        " verifier.",
        "replay": "Drive a running node, open loop, from the bundled flow or from a recorded tape.",
    },
    "ramp": {
        "ramp": "Find the knee of a node with an open-loop load from another process, and draw it.",
    },
    "calibrate": {
        "calibrate": "Measure what a node's work costs, or what a flow is like, and write it for"
        " the planner.",
    },
    "plan": {
        "plan": "Plan: the analytic law and a seeded Monte Carlo of a node under a scenario.",
    },
    "rehearse": {
        "rehearse": "Rehearse: play a scenario to the whole node, its L1 and its verifier, on a"
        " simulated clock.",
    },
    "fees": {
        "fees": "Play the price's answer to a rush and to 15 December 2023; no node is needed.",
    },
    "ordering": {
        "ordering": "Play the same tapes through continuous matching, cancels first, and batch"
        " auctions.",
    },
}
"""Modules in the order of the help, with their commands and the first sentence of each."""
