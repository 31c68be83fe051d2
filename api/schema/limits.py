"""What a document may cost, counted before it runs (GraphQL §3, security considerations).

    operation_of    the operation that is asked for
    check_cost      refuses too deep or too many

Counting visits each selection once, a fragment once whoever spreads it, so that it costs time in
proportion to the document: fragments that spread fragments make counts grow, not work. A page
counts as many times as it has edges. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

from api.errors import OperationUnclear, QueryMalformed, QueryTooLarge
from api.schema.nodes import PAGE_SIZE, PAGE_SIZE_MAX

TOKENS_MAX = 5_000
"""Of a document; GraphiQL's own introspection has some 500."""

DEPTH_MAX = 20
"""Levels of fields; introspection of wrapped types goes to 13."""

FIELDS_MAX = 20_000
"""Fields of the widest answer: half a second of one core."""

ROOT_FIELDS_MAX = 50
"""Each is a unit of work of its own, or several."""

TRACES_MAX = 5
"""Each walks at most as far as its own bounds, which is most of a second of one core."""

SUPPOSITIONS_MAX = 2
"""Of `whatIf` and `toReach`, those of each edge of a page counted: one of them is up to 17 folds,
for the largest subject of the real refusals a tenth of a second of one core."""

_SUPPOSITIONS = frozenset({"toReach", "whatIf"})

_PAGES = frozenset({"enterprises", "history", "referredBy", "statements"})


def operation_of(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """The operation of that name, or the only one. Raises `OperationUnclear`."""
    operations = [
        node for node in document.definitions if isinstance(node, OperationDefinitionNode)
    ]
    if name is None and len(operations) > 1:
        raise OperationUnclear(
            "the document has several operations; operationName says which",
            path=("operationName",),
        )
    for operation in operations:
        if name is None or (operation.name is not None and operation.name.value == name):
            return operation
    raise OperationUnclear(
        f"the document has no operation {name!r}" if name else "the document has no operation",
        path=("operationName",),
    )


def check_cost(
    document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> None:
    """Raises `QueryTooLarge`; `QueryMalformed` for fragments that spread themselves."""
    fragments = {
        node.name.value: node
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    counted = _Count(fragments, _with_defaults(operation, variables))
    cost = counted.of(operation.selection_set)
    if cost.depth > DEPTH_MAX:
        raise QueryTooLarge(f"fields nested deeper than {DEPTH_MAX} levels", path=("query",))
    if cost.roots > ROOT_FIELDS_MAX:
        raise QueryTooLarge(f"more than {ROOT_FIELDS_MAX} root fields", path=("query",))
    if cost.traces > TRACES_MAX:
        raise QueryTooLarge(f"more than {TRACES_MAX} traces", path=("query",))
    if cost.suppositions > SUPPOSITIONS_MAX:
        raise QueryTooLarge(f"more than {SUPPOSITIONS_MAX} suppositions", path=("query",))
    if cost.fields > FIELDS_MAX:
        raise QueryTooLarge(
            f"an answer of up to {cost.fields} fields, {FIELDS_MAX} at most; ask for smaller pages",
            path=("query",),
        )


@dataclass(frozen=True, slots=True)
class _Cost:
    depth: int = 0
    roots: int = 0
    """Fields of the outermost level."""
    fields: int = 0
    traces: int = 0
    suppositions: int = 0

    def beside(self, other: _Cost) -> _Cost:
        fields = min(self.fields + other.fields, FIELDS_MAX * PAGE_SIZE_MAX)
        return _Cost(
            max(self.depth, other.depth),
            self.roots + other.roots,
            fields,
            self.traces + other.traces,
            _bounded(self.suppositions + other.suppositions),
        )

    def below(self, name: str, times: int) -> _Cost:
        fields = min(1 + times * self.fields, FIELDS_MAX * PAGE_SIZE_MAX)
        suppositions = _bounded(times * self.suppositions + int(name in _SUPPOSITIONS))
        return _Cost(self.depth + 1, 1, fields, int(name == "trace"), suppositions)


def _bounded(suppositions: int) -> int:
    """As far as it matters: fragments that spread fragments make counts grow."""
    return min(suppositions, SUPPOSITIONS_MAX + 1)


@dataclass(slots=True)
class _Count:
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]
    known: dict[str, _Cost | None] = field(default_factory=dict)

    def of(self, selections: SelectionSetNode | None) -> _Cost:
        cost = _Cost()
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                cost = cost.beside(
                    self.of(node.selection_set).below(node.name.value, self._times(node))
                )
            elif isinstance(node, InlineFragmentNode):
                cost = cost.beside(self.of(node.selection_set))
            elif isinstance(node, FragmentSpreadNode):
                cost = cost.beside(self._fragment(node.name.value))
        return cost

    def _fragment(self, name: str) -> _Cost:
        if name not in self.known:
            fragment = self.fragments.get(name)
            if fragment is None:
                raise QueryMalformed(f"there is no fragment {name!r}", path=("query",))
            self.known[name] = None
            self.known[name] = self.of(fragment.selection_set)
        cost = self.known[name]
        if cost is None:
            raise QueryMalformed(f"fragment {name!r} spreads itself", path=("query",))
        return cost

    def _times(self, node: FieldNode) -> int:
        if node.name.value not in _PAGES:
            return 1
        for argument in node.arguments or ():
            if argument.name.value != "first":
                continue
            value: object = None
            if isinstance(argument.value, IntValueNode):
                value = int(argument.value.value)
            elif isinstance(argument.value, VariableNode):
                value = self.variables.get(argument.value.name.value)
            # What is out of bounds is refused when the field is reached.
            return min(max(value, 1), PAGE_SIZE_MAX) if type(value) is int else PAGE_SIZE
        return PAGE_SIZE


def _with_defaults(
    operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> Mapping[str, Any]:
    defaults = {
        definition.variable.name.value: int(definition.default_value.value)
        for definition in operation.variable_definitions or ()
        if isinstance(definition.default_value, IntValueNode)
    }
    return {**defaults, **variables}
