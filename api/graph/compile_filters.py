"""Which customers and accounts: filters and searches as conditions that are true or false."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import msgspec

from api.graph.compile_event_filters import counted, key_of, of_account, of_customer
from api.graph.compile_logic import Condition, combined, text, time
from api.graph.compile_values import (
    ALWAYS,
    Operand,
    every,
    known,
    list_of,
    operators,
    text_condition,
    trait_condition,
    words_of,
)
from api.graph.plan import Group, Leaf, Value
from api.graph.statement import Draft, Sql
from models.values import Kind

Among = Callable[[str], Sql]
"""Return what must hold of the account or customer at an alias."""


class Membership(Protocol):
    """Return that there is a live membership with such a one; `few` where such ones are few."""

    def __call__(self, among: Among, *, few: bool = False) -> Sql:
        """Return the condition."""
        ...


def live(membership: str, deleted_at: Sql, last_deletion_at: Sql) -> Sql:
    """Return that a membership is live in an account with these columns."""
    joined = f"{membership}.joined_at"
    return f"{joined} IS NOT NULL AND {deleted_at} IS NULL AND {joined} > coalesce({last_deletion_at}, -1)"


def live_in(membership: str, account: str) -> Sql:
    """Return that a membership is live in the account at an alias."""
    return live(membership, f"{account}.deleted_at", f"{account}.last_deletion_at")


def customer_condition(draft: Draft, alias: str, given: Value) -> Sql:
    """Return what a CustomerFilter says of the customer at `alias`."""
    return combined(draft, alias, given, _CUSTOMER, customer_condition)


def account_condition(draft: Draft, alias: str, given: Value) -> Sql:
    """Return what an AccountFilter says of the account at `alias`, deleted or not."""
    return combined(draft, alias, given, _ACCOUNT, account_condition)


def listed_account_condition(draft: Draft, alias: str, given: Value) -> Sql:
    """Return the same for a list, which leaves deleted accounts out unless the filter mentions them."""
    condition = account_condition(draft, alias, given)
    return (
        condition if _mentions_deleted(given) else every([condition, f"{alias}.deleted_at IS NULL"])
    )


def role_condition(draft: Draft, alias: str, given: Value) -> Sql:
    """Return what a StringFilter says of the role of the membership at `alias`."""
    role = f"{alias}.role"
    return text_condition(draft, Operand(role, draft.dialect.folded(role)), given)


def search_condition(
    draft: Draft, words: Leaf, folded: list[Sql], ids: Callable[[str], Sql] | None
) -> Sql:
    """Return that each word typed so far begins a text, or a run of letters and digits in one."""
    w = draft.alias("w")
    word = f"{w}.value"
    read = words_of(words)
    bound = draft.bind(lambda asked: msgspec.json.encode(read(asked)).decode())
    begun = [f"({sql} IS NOT NULL AND {begins(draft, sql, word)})" for sql in folded]
    if ids is not None:
        begun.append(ids(word))
    source = draft.dialect.unfolded(bound, w)
    return f"NOT EXISTS (SELECT 1 FROM {source} WHERE NOT ({' OR '.join(begun)}))"


def begins(draft: Draft, folded: Sql, word: Sql) -> Sql:
    """Return whether a word begins a folded text that is there, or a run in it."""
    return f"({draft.dialect.starts(folded, word)} OR {draft.dialect.begins_word(folded, word)})"


def _mentions_deleted(given: Value) -> bool:
    if isinstance(given, list):
        return any(_mentions_deleted(each) for each in given)
    if not isinstance(given, Group):
        return False
    return "deleted" in given.fields or any(
        _mentions_deleted(given.fields.get(name)) for name in ("and", "or", "not")
    )


def _trait(draft: Draft, alias: str, given: Group) -> Sql:
    return trait_condition(draft, f"{alias}.traits", given)


def _deleted(_: Draft, alias: str, leaf: Leaf) -> Sql:
    return known(f"{alias}.deleted_at", exists=leaf.known())


def _user_ids(draft: Draft, alias: str, given: Value) -> Sql:
    # Any joined userId counts, so each operator asks for one that fits.
    conditions = []
    for name, leaf in operators(given, "StringFilter"):
        if name == "exists":
            conditions.append(known(f"{alias}.user_id", exists=leaf.known()))
            continue
        asked = {"ne": "eq", "notIn": "in"}.get(name, name)
        i = draft.alias("i")
        operand = Operand(f"{i}.identifier", f"{i}.folded", nullable=False)
        where = [f"{i}.kind = 0", text_condition(draft, operand, Group({asked: leaf}))]
        if asked == "eq":
            where.append(f"{i}.key = {draft.bind_key(key_of(leaf, Kind.USER))}")
            found = draft.among(f"{alias}.id", f"{i}.customer_id", {i: "identities"}, where)
        else:
            found = draft.exists({i: "identities"}, [f"{i}.customer_id = {alias}.id", *where])
        conditions.append(found if asked == name else f"NOT ({found})")
    return every(conditions)


def _group_id(draft: Draft, alias: str, given: Value) -> Sql:
    conditions = []
    for name, leaf in operators(given, "StringFilter"):
        fits = text("group_id", "group_id_folded", nullable=False)(
            draft, alias, Group({name: leaf})
        )
        if name == "eq":
            # The index is on the key, which is a hash of it.
            fits = every([f"{alias}.key = {draft.bind_key(key_of(leaf, None))}", fits])
        conditions.append(fits)
    return every(conditions)


def _audience(entity: int) -> Condition:
    def condition(draft: Draft, alias: str, given: Value) -> Sql:
        conditions = []
        for name, leaf in operators(given, "AudienceFilter"):
            bound = draft.bind(list_of(leaf))
            if name == "in":
                k = draft.alias("k")
                member = is_member(draft, entity, f"{alias}.id", f"= {k}.value")
                source = draft.dialect.unfolded(bound, k)
                conditions.append(f"NOT EXISTS (SELECT 1 FROM {source} WHERE NOT {member})")
            else:
                listed = draft.dialect.listed(bound)
                member = is_member(draft, entity, f"{alias}.id", f"IN {listed}")
                conditions.append(member if name == "inAny" else f"NOT {member}")
        return every(conditions)

    return condition


def is_member(draft: Draft, entity: int, owner: Sql, key_is: Sql) -> Sql:
    """Return whether a customer or account is in an audience whose key is such."""
    f, a = draft.alias("f"), draft.alias("a")
    where = [f"{f}.entity = {int(entity)}", f"{f}.owner_id = {owner}", f"{f}.member = 1"]
    where += [f"{a}.id = {f}.audience_id", f"{a}.entity = {int(entity)}", f"{a}.key {key_is}"]
    return draft.exists({f: "flags", a: "audiences"}, where)


def _customer_accounts(draft: Draft, alias: str, given: Group) -> Sql:
    def membership(among: Among, *, few: bool = False) -> Sql:
        m, a = draft.alias("m"), draft.alias("a")
        tables = {m: "memberships", a: "accounts"}
        where = [f"{a}.id = {m}.account_id", live_in(m, a)]
        where += [role_condition(draft, m, given.fields.get("role")), among(a)]
        if few:
            return draft.among(f"{alias}.id", f"{m}.customer_id", tables, where)
        return draft.exists(tables, [f"{m}.customer_id = {alias}.id", *where])

    return _quantified(given, membership, lambda value, a: account_condition(draft, a, value))


def _account_members(draft: Draft, alias: str, given: Group) -> Sql:
    def membership(among: Among, *, few: bool = False) -> Sql:
        m, c = draft.alias("m"), draft.alias("c")
        tables = {m: "memberships", c: "customers"}
        where = [f"{c}.id = {m}.customer_id"]
        where += [role_condition(draft, m, given.fields.get("role")), among(c)]
        if few:
            a = draft.alias("a")
            where += [f"{a}.id = {m}.account_id", live_in(m, a)]
            return draft.among(f"{alias}.id", f"{m}.account_id", {**tables, a: "accounts"}, where)
        where += [f"{m}.account_id = {alias}.id", live_in(m, alias)]
        return draft.exists(tables, where)

    return _quantified(given, membership, lambda value, c: customer_condition(draft, c, value))


def _quantified(given: Group, membership: Membership, of: Callable[[Value, str], Sql]) -> Sql:
    conditions = []
    asked = {name: value for name, value in given.fields.items() if value is not None}
    if set(asked) == {"role"}:
        return membership(lambda _: ALWAYS)
    for name, value in asked.items():
        few = _names_few(value)
        if name == "some":
            conditions.append(membership(partial(of, value), few=few))
        elif name == "none":
            conditions.append(f"NOT ({membership(partial(of, value), few=few)})")
        elif name == "every":
            conditions.append(f"NOT ({membership(partial(_not, of, value))})")
    return every(conditions)


def _names_few(given: Value) -> bool:
    """Return whether a filter names few enough to find them first, and then who belongs to them."""
    if isinstance(given, list):
        return any(_names_few(each) for each in given)
    if not isinstance(given, Group):
        return False
    for name in ("groupId", "userId", "email"):
        named = given.fields.get(name)
        if isinstance(named, Group) and named.fields.keys() & {"eq", "in"}:
            return True
    return _names_few(given.fields.get("and"))


def _not(of: Callable[[Value, str], Sql], value: Value, alias: str) -> Sql:
    return f"NOT ({of(value, alias)})"


_CUSTOMER: dict[str, Condition] = {
    "userId": _user_ids,
    "email": text("email", "email_folded", indexed=True),
    "name": text("name", "name_folded"),
    "signedUpAt": time("signed_up_at", nullable=True),
    "firstSeenAt": time("first_seen_at"),
    "lastSeenAt": time("last_seen_at"),
    "trait": _trait,
    "audience": _audience(0),
    "accounts": _customer_accounts,
    "events": counted(of_customer),
}

_ACCOUNT: dict[str, Condition] = {
    "groupId": _group_id,
    "name": text("name", "name_folded", indexed=True),
    "createdAt": time("created_at"),
    "firstSeenAt": time("first_seen_at"),
    "lastSeenAt": time("last_seen_at"),
    "deleted": _deleted,
    "trait": _trait,
    "audience": _audience(1),
    "members": _account_members,
    "events": counted(lambda _, alias, account: of_account(alias, account)),
}
