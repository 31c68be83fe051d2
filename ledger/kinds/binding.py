"""The registry gives a one-person business, which is a natural person, its random label. Pure."""

from ledger.kinds.shape import Kind

BINDING = Kind(
    name="binding",
    description="A random label stands for this one-person business; its code is a particular.",
    codes=("one-person-business",),
    outcomes=("bound",),
    case_allowed=False,
    required=("subject",),
)
