"""`indexTrait`: have an index of a trait, or stop paying for it."""

from __future__ import annotations

from api.graph import stating
from api.graph.acting import Desk, Done
from api.graph.enums import Entity as EntityName
from api.graph.statement import Stated
from api.graph.stating import Input, UserError
from ingest import canonical, keeper
from ingest.indexes import Kind
from models.values import Entity, Outcome, Receipt

KEY_BYTES_MAX = 256
"""Of a trait's key, as of any key in a message: a longer one is nobody's."""

_NO_RECEIPT = Receipt("", Outcome.APPLIED, 0)


async def index_trait(desk: Desk, given: Input) -> Done | stating.Refused:
    """Have an index of a trait, or give it up; either twice is no error."""
    key = canonical.clean(given["key"])
    if len(key.encode()) > KEY_BYTES_MAX:
        told = f"`key` is long: a trait's key has at most {KEY_BYTES_MAX} bytes"
        return [UserError(("key",), "TOO_LONG", told)]
    entity = Entity.CUSTOMER if given["entity"] is EntityName.CUSTOMER else Entity.ACCOUNT
    wanted = given["indexed"]
    trait = (Kind(entity), key)
    done = await keeper.ask(desk.database, desk.workspace, trait, desk.entry, wanted=wanted)
    if not done:
        told = f"{keeper.INDEXES_MAX} traits are indexed already: give one up with `indexed: false`"
        return [UserError(("key",), "INVALID", told)]
    return Done(Stated(_NO_RECEIPT, trait_key=(entity, key)))
