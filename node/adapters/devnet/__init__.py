"""An Ethereum chain in one child process: py-evm behind JSON-RPC, for demos and tests.

    server.py      HTTP in, HTTP out; the clock that mines; one thread for all that follows
    methods.py     the table of JSON-RPC methods
    devnet.py      the chain and the pool as one node
    mempool.py     signed transactions that wait, and who goes first
    chain.py       py-evm: blocks, state, calls
    queries.py     logs and fee history over the blocks
    transactions.py   reading raw transactions, and what makes one inadmissible
    rendering.py   the chain's objects as JSON-RPC shows them
    parameters.py  JSON-RPC parameters as Python values
    keys.py        the keys of its accounts
    process.py     starting and stopping the child

Why not eth-tester's own provider: it has no pool (a transaction is executed when it is sent, so
nothing can be replaced or dropped), walks the whole chain for each receipt, and speaks Python
values where JSON-RPC brings hex. What is kept of it is the genesis and the accounts.
"""
