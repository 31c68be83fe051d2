"""The refusals of `credit`, one tree. Codes are public and never change their meaning.

    CreditError
    ├── PolicyError
    │   ├── PolicyMalformed      CREDIT_POLICY_MALFORMED     not canonical JSON, or too large
    │   ├── PolicyMember         CREDIT_POLICY_MEMBER        a member missing or one too many
    │   ├── PolicyValue          CREDIT_POLICY_VALUE         wrong type, spelling or bounds
    │   ├── PolicyOrder          CREDIT_POLICY_ORDER         a list that does not rise
    │   ├── PolicyDuplicate      CREDIT_POLICY_DUPLICATE     one name given twice
    │   ├── PolicyReference      CREDIT_POLICY_REFERENCE     a name not listed, by policy or ledger
    │   ├── PolicyGap            CREDIT_POLICY_GAP           a case for which no rule speaks
    │   └── PolicyUnreachable    CREDIT_POLICY_UNREACHABLE   a rule that can never speak
    ├── PolicyUnknown            CREDIT_POLICY_UNKNOWN       no policy is in force there
    ├── FactUnknown              CREDIT_FACT_UNKNOWN         the policy does not list this value
    └── FactIncomplete           CREDIT_INCOMPLETE           a value that weighs is missing

`path` names the offending place: the members of a policy document, or a leaf index and the
weighing member of the statement there. Pure.
"""

from __future__ import annotations

from typing import ClassVar


class CreditError(Exception):
    """A refusal the caller can act on."""

    code: ClassVar[str]

    def __init__(self, message: str, *, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class PolicyError(CreditError):
    """A document that is no policy. Each kind of fault has a class and a code of its own."""


class PolicyMalformed(PolicyError):
    """The bytes are not canonical JSON, or more than a control entry can carry."""

    code = "CREDIT_POLICY_MALFORMED"


class PolicyMember(PolicyError):
    """A member that must be there is missing, or one is there that the language has not."""

    code = "CREDIT_POLICY_MEMBER"


class PolicyValue(PolicyError):
    """A value of the wrong type, spelling or size."""

    code = "CREDIT_POLICY_VALUE"


class PolicyOrder(PolicyError):
    """A list whose order carries meaning, and does not rise as it must."""

    code = "CREDIT_POLICY_ORDER"


class PolicyDuplicate(PolicyError):
    """A rule, grade or kind that is named twice."""

    code = "CREDIT_POLICY_DUPLICATE"


class PolicyReference(PolicyError):
    """A name which the policy does not list, or one of its own which the ledger does not know."""

    code = "CREDIT_POLICY_REFERENCE"


class PolicyGap(PolicyError):
    """A fact or a sum that could occur and for which no rule speaks."""

    code = "CREDIT_POLICY_GAP"


class PolicyUnreachable(PolicyError):
    """A rule that can never speak, because an earlier one takes all its cases."""

    code = "CREDIT_POLICY_UNREACHABLE"


class PolicyUnknown(CreditError):
    """No policy adopted below that tree size is in force on that day."""

    code = "CREDIT_POLICY_UNKNOWN"


class FactUnknown(CreditError):
    """A statement of a kind, outcome or severity that the policy does not list."""

    code = "CREDIT_FACT_UNKNOWN"


class FactIncomplete(CreditError):
    """A statement without a value that the policy must read. Nothing is guessed."""

    code = "CREDIT_INCOMPLETE"
