"""A log that witnesses watch: real leaves, real proofs, any size at once.

Watched          a log of N leaves under its own key; forks from others that share its first leaves
Watched.note     its signed head at a size
Watched.request  what it asks of a witness
"""

from dataclasses import dataclass, field

from ledger.checkpoint import Checkpoint
from ledger.merkle import Hash, consistency_path, leaf_hash, root
from ledger.note import SignedNote, Signer
from ledger.seed_key import SeedKey
from ledger.witness_protocol import AddCheckpoint


@dataclass(frozen=True)
class Watched:
    """Leaves are numbers; from `forked_at` on they are other numbers than in the honest log."""

    signer: Signer = field(
        default_factory=lambda: Signer("log.test/watched", SeedKey(bytes(range(32))))
    )
    forked_at: int = 1 << 20

    def leaf(self, index: int) -> Hash:
        """The leaf hash at an index."""
        text = f"leaf {index}" if index < self.forked_at else f"another leaf {index}"
        return leaf_hash(text.encode())

    def root(self, tree_size: int) -> Hash:
        """The root at a size."""
        return root(map(self.leaf, range(tree_size)))

    def node(self, level: int, index: int) -> Hash:
        """The root of a complete subtree."""
        return root(map(self.leaf, range(index << level, (index + 1) << level)))

    def head(self, tree_size: int) -> Checkpoint:
        """The head at a size."""
        return Checkpoint(self.signer.name, tree_size, self.root(tree_size))

    def note(self, tree_size: int) -> SignedNote:
        """The head, signed."""
        return self.head(tree_size).signed(self.signer)

    def path(self, old_size: int, tree_size: int) -> list[Hash]:
        """The consistency path; empty where none is needed."""
        if not 0 < old_size < tree_size:
            return []
        return consistency_path(old_size, tree_size, self.node)

    def request(self, old_size: int, tree_size: int) -> AddCheckpoint:
        """An honest add-checkpoint."""
        return AddCheckpoint.of(old_size, self.path(old_size, tree_size), self.note(tree_size))
