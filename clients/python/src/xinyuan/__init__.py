"""Checks Xinyuan proof files offline: who stated what, and that the log holds it.

    errors         VerificationError and the closed set of its codes
    exact_base64   base64 with one spelling per byte string
    canonical      RFC 8785 JSON with one spelling per value
    fields         reading decoded objects whose member names are known
    signature      Ed25519, by PyNaCl
    merkle         RFC 9162 §2.1: hashes, roots, inclusion, consistency
    note           C2SP signed-note and its verifier keys
    checkpoint     C2SP tlog-checkpoint: origin, tree size, root hash
    cosignature    C2SP tlog-cosignature: what witnesses say of a checkpoint
    policy         C2SP tlog-policy: whose cosignatures are enough
    label          the 43 characters that stand for a subject in public
    leaf           the bytes the tree commits to, rebuilt from what is shown
    token          RFC 7515 compact JWS with a fixed header
    statement      RFC 9901 SD-JWT: statements whose members open one by one
    capture        EPCIS events under one signature, sealed member by member
    control        whose key and mandate were in force at which index
    proof          the file that carries all of it; `verify`
    cbor           RFC 8949 with one spelling per value
    leaf_proof     C2SP tlog-proof and COSE receipts: one leaf; `verify_leaf_proof`
    report         the verdict in plain words and as JSON
    __main__       the `xinyuan` command

Nothing is imported from the server: a verifier that shares code with the log proves
nothing. Every module but `__main__` is pure.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xinyuan.errors import Code, VerificationError
    from xinyuan.leaf_proof import VerifiedLeaf, verify_leaf_proof
    from xinyuan.policy import WitnessPolicy
    from xinyuan.proof import Verified, verify

__all__ = [
    "Code",
    "VerificationError",
    "Verified",
    "VerifiedLeaf",
    "WitnessPolicy",
    "verify",
    "verify_leaf_proof",
]


def __getattr__(name: str) -> object:
    # PEP 562: `xinyuan --help` imports this package and needs none of its modules.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from xinyuan import errors, leaf_proof, policy, proof

    home = next(module for module in (errors, policy, leaf_proof, proof) if hasattr(module, name))
    return getattr(home, name)
