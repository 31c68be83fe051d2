"""信用承诺: an enterprise commits itself in public, and keeps it or not. Pure."""

from ledger.kinds.referring import DECISIONS, Refers
from ledger.kinds.shape import Kind

_COMMITMENT = Refers(needed=False, kinds=frozenset({"commitment"}))

COMMITMENT = Kind(
    name="commitment",
    description="A public commitment of an enterprise: made, kept, or broken.",
    codes=("repair", "rectification", "quality", "false-document-for-repair", "other"),
    outcomes=("made", "kept", "broken"),
    graded_outcomes=("broken",),
    refers={
        "made": Refers(needed=False, kinds=DECISIONS),
        "kept": _COMMITMENT,
        "broken": _COMMITMENT,
    },
)
