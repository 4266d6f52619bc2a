"""`createApiKey` and `revokeApiKey`: keys by the API, for the workspace of whoever asks."""

from __future__ import annotations

from api import keys
from api.auth import Scope
from api.graph import ids, stating
from api.graph.acting import Desk, Done
from api.graph.ids import BadId
from api.graph.statement import Stated
from api.graph.stating import Input, UserError
from api.keys import Wanted
from models.values import Outcome, Receipt

NAME_BYTES_MAX = 256
# A key states nothing, so there is nothing for it to tell.
_NO_RECEIPT = Receipt("", Outcome.APPLIED, 0)


async def create_api_key(desk: Desk, given: Input) -> Done | stating.Refused:
    """Make a key; its secret is in the answer, this once."""
    errors = _objections(desk, given)
    if errors:
        return errors
    scopes = frozenset(Scope(each.value.lower()) for each in given["scopes"])
    wanted = Wanted(given["name"].strip(), scopes, given.get("expiresAt"))
    new = await keys.create(desk.database, desk.workspace, wanted, now=desk.now, entry=desk.entry)
    return Done(Stated(_NO_RECEIPT, api_key=new.key.key), secret=new.secret)


async def revoke_api_key(desk: Desk, given: Input) -> Done | stating.Refused:
    """Revoke a key of the workspace; twice is no error."""
    try:
        key = ids.key_of_kind(given["id"], ids.API_KEY)
    except BadId as error:
        return [UserError(("id",), "INVALID", str(error))]
    if key == desk.caller.key:
        # Whoever revokes a key holds another that works: nobody locks themselves out.
        told = (
            "this is the key you are using: revoke it with another one, or by `calyx keys revoke`"
        )
        return [UserError(("id",), "INVALID", told)]
    if not await keys.revoke_in(desk.database, desk.workspace, key, desk.now, desk.entry):
        return [UserError(("id",), "NOT_FOUND", "there is no such key: `apiKeys` lists them")]
    return Done(Stated(_NO_RECEIPT, api_key=key))


def _objections(desk: Desk, given: Input) -> list[UserError]:
    errors = []
    name, scopes, expires_at = given["name"].strip(), given["scopes"], given.get("expiresAt")
    if not name:
        errors.append(UserError(("name",), "REQUIRED", "say in `name` what the key is for"))
    elif len(name.encode(errors="replace")) > NAME_BYTES_MAX:
        told = f"`name` is long: send at most {NAME_BYTES_MAX} bytes"
        errors.append(UserError(("name",), "TOO_LONG", told))
    elif not name.isprintable():
        errors.append(UserError(("name",), "INVALID", "`name` must be one line of printable text"))
    if not scopes:
        errors.append(UserError(("scopes",), "REQUIRED", "name at least one scope"))
    if expires_at is not None and expires_at <= desk.now:
        errors.append(UserError(("expiresAt",), "INVALID", "`expiresAt` must lie in the future"))
    return errors
