"""Everything that can be read, from the top."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import UNSET

from api.graph import (
    columns,
    compile_admin,
    compile_buckets,
    compile_explain,
    compile_reads,
    compile_receipts,
    compile_roots,
    compile_trait_keys,
    compile_traits,
)
from api.graph.activity import Length, Since, StatsBucket, Until
from api.graph.arguments import After, Before, CustomerSearch, First, Last, argument
from api.graph.audiences import Audience
from api.graph.columns import in_sql
from api.graph.connections import (
    AccountConnection,
    ApiKeyConnection,
    AudienceConnection,
    AuditEntryConnection,
    CustomerConnection,
    EventConnection,
    QuarantineConnection,
    TraitKeyConnection,
)
from api.graph.enums import Entity, FlagOrigin, Interval, QuarantineReason
from api.graph.explaining import Explanation
from api.graph.facts import Receipt
from api.graph.inputs import (
    AccountFilter,
    AccountOrder,
    CustomerFilter,
    CustomerOrder,
    EventFilter,
)
from api.graph.scalars import Json, Moment
from api.graph.types import Account, Customer, Node
from api.graph.viewer import Viewer

_ORDER = (
    "What to sort by, first key first; ties are broken for you. Default: last seen, newest first."
)


@strawberry.type(
    description=(
        "Everything that can be read. Needs scope `read`."
        " A key sees its own workspace and nothing else: what lies outside\n"
        "it is null, just as a random id would be."
    )
)
class Query:
    """Everything that can be read."""

    @columns.asked(
        (
            "Any object by its global id, null when there is none."
            " A customer joined into another is found as that other, under its id."
        ),
        compile_roots.node,
    )
    def node(
        self,
        id: Annotated[
            strawberry.ID, argument("Global id, as given by the field `id` of any object.")
        ],
    ) -> Node | None:
        """Return any object."""
        in_sql()

    @columns.asked(
        "Many objects by their global ids, in the order asked, null where there is none.",
        compile_roots.nodes,
    )
    def nodes(
        self, ids: Annotated[list[strawberry.ID], argument("Global ids, at most 100.")]
    ) -> list[Node | None]:
        """Return many objects."""
        in_sql()

    @columns.asked(
        (
            "One customer, by exactly one of `id`, `userId` and `anonymousId`,"
            " else `BAD_USER_INPUT`; null when there is none.\n"
            "Ids of customers that were joined into another still find it."
        ),
        compile_reads.customer,
    )
    def customer(
        self,
        id: Annotated[strawberry.ID | None, argument("Global id.")] = UNSET,
        user_id: Annotated[
            str | None,
            argument(
                "The id your application uses, as sent by identify. Any joined userId finds the customer."
            ),
        ] = UNSET,
        anonymous_id: Annotated[
            str | None, argument("A device id: the customer it belongs to.")
        ] = UNSET,
        as_of: Annotated[
            Moment | None,
            argument(
                "The customer as of this moment, by event time: traits, audience flags and accounts as they stood."
                " Null when nothing was known yet. Default: now."
            ),
        ] = UNSET,
    ) -> Customer | None:
        """Return one customer."""
        in_sql()

    @columns.asked(
        "Customers that match, the last seen first unless ordered otherwise.",
        compile_reads.customers,
    )
    def customers(
        self,
        where: Annotated[CustomerFilter | None, argument("Which customers. Default: all.")] = UNSET,
        search: CustomerSearch = UNSET,
        order_by: Annotated[list[CustomerOrder] | None, argument(_ORDER)] = UNSET,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
    ) -> CustomerConnection:
        """Return customers that match."""
        in_sql()

    @columns.asked(
        (
            "One account, by exactly one of `id` and `groupId`,"
            " else `BAD_USER_INPUT`; null when there is none.\n"
            "A deleted account is found, with `deletedAt`."
        ),
        compile_reads.account,
    )
    def account(
        self,
        id: Annotated[strawberry.ID | None, argument("Global id.")] = UNSET,
        group_id: Annotated[
            str | None, argument("The id your application uses, as sent by group.")
        ] = UNSET,
        as_of: Annotated[
            Moment | None,
            argument(
                "The account as of this moment, by event time: traits, audience flags and members as they stood."
                " Null when nothing was known yet. Default: now."
            ),
        ] = UNSET,
    ) -> Account | None:
        """Return one account."""
        in_sql()

    @columns.asked(
        (
            "Accounts that match, the last seen first unless ordered otherwise."
            " Deleted ones are left out unless `where` asks for `deleted`."
        ),
        compile_reads.accounts,
    )
    def accounts(
        self,
        where: Annotated[
            AccountFilter | None, argument("Which accounts. Default: all that are not deleted.")
        ] = UNSET,
        search: Annotated[
            str | None,
            argument(
                "Words as typed so far, against name and groupId, ignoring case; each word may be a prefix."
            ),
        ] = UNSET,
        order_by: Annotated[list[AccountOrder] | None, argument(_ORDER)] = UNSET,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
    ) -> AccountConnection:
        """Return accounts that match."""
        in_sql()

    @columns.asked(
        "One audience by its key, null when no such flag was ever written.", compile_traits.audience
    )
    def audience(
        self,
        key: Annotated[
            str,
            argument("The audience's key, the snake-cased name: `order_completed_last_30days`."),
        ],
        entity: Annotated[Entity, argument("Whose flag it is.")] = Entity.CUSTOMER,
    ) -> Audience | None:
        """Return one audience."""
        in_sql()

    @columns.asked("The catalog of audiences, by key.", compile_traits.audiences)
    def audiences(
        self,
        entity: Annotated[
            Entity | None, argument("Only those of customers, or of accounts. Default: both.")
        ] = UNSET,
        origin: Annotated[
            FlagOrigin | None, argument("Only those that come from here. Default: all.")
        ] = UNSET,
        search: Annotated[str | None, argument("Part of the key, ignoring case.")] = UNSET,
        first: First = UNSET,
        after: After = UNSET,
    ) -> AudienceConnection:
        """Return the catalog of audiences."""
        in_sql()

    @columns.asked("The catalog of trait keys, by key.", compile_trait_keys.trait_keys)
    def trait_keys(
        self,
        entity: Annotated[Entity, argument("Keys of customers, or of accounts.")] = Entity.CUSTOMER,
        search: Annotated[str | None, argument("Part of the key, ignoring case.")] = UNSET,
        first: First = UNSET,
        after: After = UNSET,
    ) -> TraitKeyConnection:
        """Return the catalog of trait keys."""
        in_sql()

    @columns.asked("Events that match, the newest by event time first.", compile_reads.events)
    def events(
        self,
        where: Annotated[EventFilter | None, argument("Which events. Default: all.")] = UNSET,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
    ) -> EventConnection:
        """Return events that match."""
        in_sql()

    @columns.asked(
        (
            "Activity per interval, oldest first, empty intervals included."
            " Intervals begin on UTC boundaries; at most 1,000 of them.\n"
            "For totals ask `totalCount` of a connection instead."
        ),
        compile_buckets.stats,
    )
    def stats(
        self, since: Since, until: Until = UNSET, interval: Length = Interval.DAY
    ) -> list[StatsBucket]:
        """Return activity per interval."""
        in_sql()

    @columns.asked(
        (
            "What became of a message: one receipt for each event or quarantined body stored under this id,"
            " newest `receivedAt` first, at most 100. Empty when it never arrived."
            " Never DUPLICATE: that is only the answer to a delivery."
        ),
        compile_receipts.receipts,
    )
    def receipt(
        self,
        message_id: Annotated[
            str,
            argument("The message's own id, as sent, or `derived:...` where none was sent."),
        ],
    ) -> list[Receipt]:
        """Return what became of a message."""
        in_sql()

    @columns.asked(
        "Messages that could not be applied and wait for a retry, the newest first.",
        compile_receipts.quarantine,
    )
    def quarantine(
        self,
        reason: Annotated[
            QuarantineReason | None, argument("Only those held for this reason. Default: all.")
        ] = UNSET,
        first: First = UNSET,
        after: After = UNSET,
    ) -> QuarantineConnection:
        """Return what waits for a retry."""
        in_sql()

    @columns.asked(
        "What a message would change, and what beats it. Nothing is written.",
        compile_explain.explain,
    )
    def explain(
        self, message: Annotated[Json, argument("A whole message, just as it would be posted.")]
    ) -> Explanation:
        """Return what a message would change."""
        in_sql()

    @columns.asked("Whose key this is and what it may do.", compile_roots.viewer)
    def viewer(self) -> Viewer:
        """Return whose key this is."""
        in_sql()

    @columns.asked(
        "The workspace's API keys, revoked ones included, the newest first. Needs scope `admin`.",
        compile_admin.api_keys,
    )
    def api_keys(self, first: First = UNSET, after: After = UNSET) -> ApiKeyConnection:
        """Return the keys of the workspace."""
        in_sql()

    @columns.asked(
        "Who changed what through the API, the newest first. Needs scope `admin`.",
        compile_admin.audit_log,
    )
    def audit_log(self, first: First = UNSET, after: After = UNSET) -> AuditEntryConnection:
        """Return who changed what."""
        in_sql()
