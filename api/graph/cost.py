"""What an operation may cost, said before it runs. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Visitor,
    visit,
)

from api.graph import page
from api.graph.failures import Code, Failure
from api.graph.page import BadPage
from api.graph.plan import Field, Leaf, Plan
from api.limits import GraphLimits

BUCKETS = 100
"""As how many rows a list of intervals counts: how many there are only its values say, and 1,000 at most."""


def check(document: DocumentNode, limits: GraphLimits) -> None:
    """Raise Failure where a document is too deep or too wide; it need not be valid."""
    count = _Count()
    visit(document, count)
    if count.aliases > limits.aliases_max:
        raise _too_much("aliases", count.aliases, limits.aliases_max)
    if count.directives > limits.directives_max:
        raise _too_much("directives on one field", count.directives, limits.directives_max)
    depth = _Depth(document).deepest()
    if depth > limits.depth_max:
        raise Failure(
            Code.DEPTH_LIMIT,
            f"the document is {depth} levels deep, and {limits.depth_max} are allowed:"
            " ask in several requests",
        )


def cost(plan: Plan) -> int:
    """Return how many rows could come: page sizes multiplied along nested connections."""
    return sum(_root_cost(field) for field in plan.fields)


def check_cost(requested: int, limits: GraphLimits) -> None:
    """Raise Failure where an operation costs more than one may."""
    if requested > limits.cost_max:
        raise Failure(
            Code.COST_LIMIT,
            f"the operation could return {requested} rows, and {limits.cost_max} are allowed:"
            " ask for smaller pages, or nest fewer",
            cost={"requested": requested, "limit": limits.cost_max},
        )


def _root_cost(field: Field) -> int:
    if field.selection is None:
        return 0
    if _is_connection(field):
        return _connection_cost(field, 1)
    if _is_buckets(field):
        return BUCKETS
    ids = field.arguments.get("ids")
    rows = ids.count() if field.name == "nodes" and isinstance(ids, Leaf) else 1
    return rows + _inner_cost(field, rows)


def _inner_cost(field: Field, times: int) -> int:
    # Behind an interface a row is of one type only.
    kinds = (field.selection or {}).values()
    return max((_cost(fields, times) for fields in kinds), default=0)


def _cost(fields: Iterable[Field], times: int) -> int:
    return sum(_cost_of_each(field, times) for field in fields)


def _cost_of_each(field: Field, times: int) -> int:
    if _is_connection(field):
        return _connection_cost(field, times)
    return times * BUCKETS if _is_buckets(field) else _inner_cost(field, times)


def _connection_cost(field: Field, times: int) -> int:
    fields = (field.selection or {})[field.type]
    if not any(each.name in {"edges", "nodes", "pageInfo"} for each in fields):
        return times
    rows = times * _size(field)
    return rows + _cost(fields, rows)


def _size(field: Field) -> int:
    sizes = [field.given(name) for name in ("first", "last")]
    first, last = (size.known() if isinstance(size, Leaf) else None for size in sizes)
    try:
        return page.window(first, last, before=False, after=False).size
    except BadPage:
        # Refused with its own message when the statement is written.
        return 0


def _is_connection(field: Field) -> bool:
    return field.type.endswith("Connection")


def _is_buckets(field: Field) -> bool:
    return field.type.endswith("Bucket")


def _too_much(what: str, count: int, most: int) -> Failure:
    return Failure(
        Code.COST_LIMIT, f"the document has {count} {what}, and {most} are allowed: ask for less"
    )


class _Count(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.aliases = 0
        self.directives = 0

    def enter_field(self, node: FieldNode, *_: object) -> None:
        self.aliases += node.alias is not None
        self._count(node.directives)

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
        self._count(node.directives)

    def enter_inline_fragment(self, node: InlineFragmentNode, *_: object) -> None:
        self._count(node.directives)

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: object) -> None:
        self._count(node.directives)

    def _count(self, directives: tuple[DirectiveNode, ...] | None) -> None:
        self.directives = max(self.directives, len(directives or ()))


class _Depth:
    def __init__(self, document: DocumentNode) -> None:
        self._document = document
        self._fragments = {
            each.name.value: each
            for each in document.definitions
            if isinstance(each, FragmentDefinitionNode)
        }
        self._known: dict[str, int] = {}

    def deepest(self) -> int:
        """Return the levels of the deepest operation."""
        return max(
            (
                self._of(each.selection_set)
                for each in self._document.definitions
                if isinstance(each, OperationDefinitionNode)
            ),
            default=0,
        )

    def _of(self, selections: SelectionSetNode | None) -> int:
        deepest = 0
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                depth = 1 + self._of(node.selection_set)
            elif isinstance(node, InlineFragmentNode):
                depth = self._of(node.selection_set)
            elif isinstance(node, FragmentSpreadNode):
                depth = self._of_fragment(node.name.value)
            else:
                depth = 0
            deepest = max(deepest, depth)
        return deepest

    def _of_fragment(self, name: str) -> int:
        if name not in self._known:
            # A fragment within itself is refused by validation; here it must only end.
            self._known[name] = 0
            fragment = self._fragments.get(name)
            self._known[name] = self._of(fragment.selection_set) if fragment else 0
        return self._known[name]
