"""The protocol of Cairn, executable: the rules of docs/protocol.md in plain Python.

One module a chapter, in the text's order and with the text's names, so that both can be read side by side:

    notation       1    integers, H, T
    keys           2    addresses and signatures
    encoding       3    what a decoder refuses
    transactions   4    structure, sighash, txid
    state          5    the tree of accounts, its proofs, executing a block and taking it back
    blocks         6    header, seal, id, txs_root (6.2)
    history        6.3  the tree that sums work and carries difficulty
    targets        6.4  compact targets and work
    rules          7    what makes a header and a body valid
    networks       8    parameters, genesis, rules that change
    light          10   what a wallet checks

Nothing here is fast, guarded against a hostile caller, or used by the node. It exists to be compared with the node
(compare.py), so it shares no line with it.
"""
