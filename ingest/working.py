"""The customers, accounts and places that one batch touches: loaded once, written back once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ingest import flags, indexes, pack, rows
from ingest.fold import Account, Customer, Membership
from ingest.indexes import Changes, Shown
from ingest.ready import Ahead
from models.database import Raced, Row, Transaction
from models.values import (
    Entity,
    Identifier,
    Kind,
    Stamp,
    Workspace,
    account_key,
    identity_key,
)

IDENTITY_COLUMNS = (
    "id",
    "key",
    "kind",
    "identifier",
    "customer_id",
    "seen",
    "owner",
    "link_at",
    "link_message_id",
    "link_digest",
    "hash",
)
_CUSTOMER_STATE = (
    *("id", "key", "user_id", "signed_up_at", "first_seen_at", "traits", "registers"),
    *("email_folded", "name_folded"),
)
_BY_IDENTITY = ("identities", "key", "customer_id")
_ACCOUNT_STATE = (
    "id",
    "key",
    "group_id",
    "first_seen_at",
    "last_deletion_at",
    "traits",
    "registers",
    "group_id_folded",
    "name_folded",
)
_MEMBERSHIP_STATE = ("customer_id", "account_id", "joined_at", "last_add_at", "registers")


@dataclass(slots=True, eq=False)
class Identity:
    """A userId or anonymousId, and whose it is."""

    id: int
    key: bytes
    name: Identifier
    customer: int
    seen: bool = False
    owner: int | None = None
    link: Stamp | None = None
    hash: bytes | None = None


@dataclass(slots=True, eq=False)
class Person:
    """A customer at work: the fold, and the identifier that stands for it."""

    id: int
    fold: Customer
    key: bytes
    user_id: str | None
    stored: bool
    # Whether the log must be asked; whatever was merged until then is thrown away.
    refold: bool = False
    # Whether all that is stored of it is at hand.
    whole: bool = False


@dataclass(slots=True, eq=False)
class Company:
    """An account at work."""

    id: int
    fold: Account
    key: bytes
    group_id: str
    refold: bool = False


@dataclass(slots=True, eq=False)
class Working:
    """What one batch of one workspace has loaded so far, by row number."""

    tx: Transaction
    workspace: Workspace
    identities: dict[Identifier, Identity] = field(default_factory=dict)
    by_id: dict[int, Identity] = field(default_factory=dict)
    people: dict[int, Person] = field(default_factory=dict)
    companies: dict[int, Company] = field(default_factory=dict)
    by_group: dict[str, Company] = field(default_factory=dict)
    # By customer, then by account.
    places: dict[int, dict[int, Membership]] = field(default_factory=dict)
    members: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    by_hash: dict[bytes, Identity] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)
    new_identities: set[int] = field(default_factory=set)
    new_companies: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)
    indexed: Changes = field(default_factory=Changes)
    flagged: flags.Stored = field(default_factory=flags.Stored)
    # What nobody but this transaction knows of.
    made: set[int] = field(default_factory=set)
    # What may be folded here and what is ready, where whoever writes can wait; None where it cannot.
    ahead: Ahead | None = None

    async def find_identities(self, names: Iterable[Identifier]) -> list[Identifier]:
        """Load the identities that exist; return the names of those that do not."""
        wanted = [name for name in dict.fromkeys(names) if name not in self.identities]
        keys = {identity_key(self.workspace.name, name): name for name in wanted}
        await self._load_identities("key", [(key,) for key in keys])
        return [name for name in wanted if name not in self.identities]

    async def meet(self, names: Iterable[Identifier]) -> list[Identifier]:
        """Load the identities that exist, with their customers; return the names of those that do not.

        An identity is changed by whoever holds the row of its customer, or is alone. So customers
        come first: what the identities say after that stays so.
        """
        wanted = list(dict.fromkeys(names))
        keys = [(identity_key(self.workspace.name, name),) for name in wanted]
        rows = await self.tx.follow(
            "customers", _CUSTOMER_STATE, _BY_IDENTITY, self.workspace.id, keys
        )
        self._take_people(rows or ())
        if rows is not None:
            self._let_go(wanted)
        missing = await self.find_identities(wanted)
        known = [self.identities[name] for name in wanted if name in self.identities]
        customers = {identity.customer for identity in known}
        if rows is None:
            await self.load_people(sorted(customers))
        elif not customers <= self.people.keys():
            # Somebody has just given one of them to a customer that nobody is kept from yet.
            raise Raced
        return missing

    async def load_identities_of(self, customers: Iterable[int]) -> list[Identity]:
        """Return all identities of these customers."""
        wanted = set(customers)
        await self._load_identities("customer_id", [(number,) for number in sorted(wanted)])
        return [identity for number in sorted(wanted) for identity in self.held_of(number)]

    def held_of(self, customer: int) -> list[Identity]:
        """Return the identities of a customer that are at hand."""
        return [self.by_id[number] for number in sorted(self.members[customer])]

    async def load_identities_by_id(self, numbers: Iterable[int]) -> None:
        """Load identities by their row numbers."""
        missing = sorted({number for number in numbers if number not in self.by_id})
        await self._load_identities("id", [(number,) for number in missing])

    async def load_identities_by_hash(self, mark: bytes) -> None:
        """Load the identity that erased links know by this hash, if it lives."""
        await self._load_identities("hash", [(mark,)])

    async def load_people(self, numbers: Iterable[int]) -> None:
        """Load customers by their row numbers."""
        missing = sorted({n for n in numbers if n not in self.people and n not in self.gone})
        rows = await self._lookup("customers", _CUSTOMER_STATE, ("id",), [(n,) for n in missing])
        self._take_people(rows)

    def _take_people(self, rows: Iterable[Row]) -> None:
        for number, key, user_id, signed_up, first_seen, traits, registers, *folded in rows:
            if number in self.people or number in self.gone:
                continue
            fold = pack.unpack_customer(traits, registers, first_seen, signed_up)
            self.people[number] = Person(number, fold, key, user_id, stored=True)
            self.indexed.before[Entity.CUSTOMER][number] = Shown(key, traits, tuple(folded))

    async def load_companies(self, groups: Iterable[str]) -> None:
        """Load accounts by groupId, making those that are new."""
        missing = [group for group in dict.fromkeys(groups) if group not in self.by_group]
        keys = {account_key(self.workspace.name, group): group for group in missing}
        await self._take_companies("key", [(key,) for key in keys])
        new = [(key, group) for key, group in keys.items() if group not in self.by_group]
        numbers = await self.tx.new_ids("accounts", self.workspace.id, len(new)) if new else ()
        for number, (key, group) in zip(numbers, new, strict=True):
            self._add_company(Company(number, Account(), key, group))
            self.new_companies.add(number)

    async def load_companies_by_id(self, numbers: Iterable[int]) -> None:
        """Load accounts by their row numbers."""
        missing = sorted({number for number in numbers if number not in self.companies})
        await self._take_companies("id", [(number,) for number in missing])

    async def load_places(self, by: tuple[str, ...], keys: list[Row]) -> None:
        """Load memberships, by customer or by customer and account."""
        for customer, account, joined, last_add, registers in await self._lookup(
            "memberships", _MEMBERSHIP_STATE, by, keys
        ):
            mine = self.places.setdefault(customer, {})
            if account not in mine:
                mine[account] = pack.unpack_membership(joined, last_add, registers)

    async def load_all_of(self, people: Iterable[Person]) -> None:
        """Load every identity, flag and place of customers, so that they can be joined."""
        missing = {one.id: one for one in people if one.stored and not one.whole}
        if not missing:
            return
        await self.load_identities_of(missing)
        await self.load_places(("customer_id",), [(number,) for number in sorted(missing)])
        folds = {number: one.fold for number, one in missing.items()}
        await flags.load_all(self.tx, self.workspace, Entity.CUSTOMER, folds)
        for one in missing.values():
            one.whole = True

    async def add_identities(
        self, names: list[Identifier], hashes: dict[Identifier, bytes]
    ) -> None:
        """Make identities, each with a customer of its own until something joins them."""
        numbers = await self.tx.new_ids("identities", self.workspace.id, len(names))
        customers = await self.new_customers(len(names))
        for name, number, customer in zip(names, numbers, customers, strict=True):
            key = identity_key(self.workspace.name, name)
            identity = Identity(number, key, name, customer, hash=hashes.get(name))
            self.hold(identity)
            self.new_identities.add(number)
            self.made.add(number)
            user_id = name.text if name.kind is Kind.USER else None
            self.people[customer] = Person(customer, Customer(), key, user_id, stored=False)

    async def new_customers(self, count: int) -> list[int]:
        """Return row numbers for new customers."""
        # Those made in this batch have no rows yet, and their numbers would come again.
        made = sum(1 for person in self.people.values() if not person.stored)
        free = await self.tx.new_ids("customers", self.workspace.id, count + made)
        return [number for number in free if number not in self.people][:count]

    def hold(self, identity: Identity) -> None:
        """Keep an identity at hand by name and number."""
        self.identities[identity.name] = identity
        self.by_id[identity.id] = identity
        self.members[identity.customer].add(identity.id)
        if identity.hash is not None:
            self.by_hash[identity.hash] = identity

    def forget(self, identity: Identity) -> None:
        """Let go of an identity that nothing names any more."""
        del self.identities[identity.name]
        del self.by_id[identity.id]
        self.members[identity.customer].discard(identity.id)
        self.changed.discard(identity.id)
        self.new_identities.discard(identity.id)
        self.indexed.unnamed[identity.id] = identity.name.text.lower()

    def person_of(self, name: Identifier) -> Person:
        """Return the customer an identifier belongs to; both are loaded."""
        return self.people[self.identities[name].customer]

    def device_of(self, anonymous_id: str) -> Identity:
        """Return the identity of an anonymousId; it is loaded."""
        return self.identities[Identifier(Kind.DEVICE, anonymous_id)]

    def place(self, customer: int, account: int) -> Membership:
        """Return a customer's place in an account, an empty one where there was none."""
        return self.places.setdefault(customer, {}).setdefault(account, Membership())

    def places_in(self, account: int) -> Iterator[tuple[int, Membership]]:
        """Yield the customers at hand that have a place in an account, with it."""
        for customer, mine in self.places.items():
            if account in mine:
                yield customer, mine[account]

    def move(self, identity: Identity, customer: int) -> None:
        """Give an identity to another customer."""
        self.members[identity.customer].discard(identity.id)
        self.members[customer].add(identity.id)
        identity.customer = customer
        self.changed.add(identity.id)

    def drop(self, person: Person) -> None:
        """Let a customer cease to be: joined into another, or erased."""
        del self.people[person.id]
        self.places.pop(person.id, None)
        if person.stored:
            self.gone.add(person.id)

    async def write_identities(self) -> None:
        """Write the identities that are new or changed."""
        new = [_identity_row(self.by_id[number]) for number in sorted(self.new_identities)]
        self.indexed.named.update((row[0], row[4]) for row in new)
        await self.tx.claim("identities", _IDENTITY_ROW, "key", self.workspace.id, new)
        changed = sorted(self.changed - self.new_identities)
        rows = [_identity_row(self.by_id[number]) for number in changed]
        await self._upsert("identities", _IDENTITY_ROW, ("id",), rows)
        self.changed.clear()
        self.new_identities.clear()

    async def write_state(self) -> None:
        """Write all customers, accounts, places and flags that were loaded."""
        # First, so that nothing is read among what is written.
        kept = await indexes.kept(self.tx, self.workspace)
        gone = [(number,) for number in sorted(self.gone)]
        await self.tx.delete("customers", ("id",), self.workspace.id, gone)
        await self.tx.delete("memberships", ("customer_id",), self.workspace.id, gone)
        await flags.remove_owners(self.tx, self.workspace, Entity.CUSTOMER, gone)
        people = sorted(self.people.values(), key=lambda person: person.id)
        companies = sorted(self.companies.values(), key=lambda company: company.id)
        persons = [rows.customer_row(person) for person in people]
        await self._upsert("customers", rows.CUSTOMER_COLUMNS, ("id",), persons)
        firms = [rows.account_row(company) for company in companies]
        made = [row for row in firms if row[0] in self.new_companies]
        known = [row for row in firms if row[0] not in self.new_companies]
        await self._upsert("accounts", rows.ACCOUNT_COLUMNS, ("id",), known)
        self.indexed.after[Entity.CUSTOMER] = dict(map(rows.shown_customer, persons))
        self.indexed.after[Entity.ACCOUNT] = dict(map(rows.shown_account, firms))
        await indexes.write(self.tx, self.workspace, kept, self.indexed)
        places = [
            rows.membership_row(customer, account, place)
            for customer, mine in sorted(self.places.items())
            for account, place in sorted(mine.items(), key=lambda item: item[0])
        ]
        await self._upsert(
            "memberships", rows.MEMBERSHIP_COLUMNS, ("customer_id", "account_id"), places
        )
        owners = {person.id: person.fold for person in people}
        await flags.write(self.tx, self.workspace, Entity.CUSTOMER, owners, self.flagged)
        accounts = {company.id: company.fold for company in companies}
        await flags.write(self.tx, self.workspace, Entity.ACCOUNT, accounts, self.flagged)
        # Last, for what is claimed is sent at once, and all that was written with it.
        await self.tx.claim("accounts", rows.ACCOUNT_COLUMNS, "key", self.workspace.id, made)

    def _let_go(self, names: Iterable[Identifier]) -> None:
        """Read identities again that were read when nobody was kept from them; no change is pending."""
        for name in names:
            identity = self.identities.pop(name, None)
            if identity is not None:
                del self.by_id[identity.id]
                self.members[identity.customer].discard(identity.id)

    async def _load_identities(self, by: str, keys: list[Row]) -> None:
        for row in await self._lookup("identities", IDENTITY_COLUMNS, (by,), keys):
            if row[0] not in self.by_id:
                self.hold(_identity(row))

    async def _take_companies(self, by: str, keys: list[Row]) -> None:
        found = await self._lookup("accounts", _ACCOUNT_STATE, (by,), keys)
        for number, key, group, first_seen, deleted, traits, registers, *folded in found:
            fold = pack.unpack_account(traits, registers, first_seen, deleted)
            self.indexed.before[Entity.ACCOUNT][number] = Shown(key, traits, tuple(folded))
            self._add_company(Company(number, fold, key, group))

    def _add_company(self, company: Company) -> None:
        self.companies[company.id] = company
        self.by_group[company.group_id] = company

    async def _lookup(
        self, table: str, columns: tuple[str, ...], by: tuple[str, ...], keys: list[Row]
    ) -> list[Row]:
        return await self.tx.lookup(table, columns, by, self.workspace.id, keys) if keys else []

    async def _upsert(
        self, table: str, columns: tuple[str, ...], key: tuple[str, ...], rows: Iterable[Row]
    ) -> None:
        await self.tx.upsert(table, columns, key, self.workspace.id, rows)


_IDENTITY_ROW = (*IDENTITY_COLUMNS[:4], "folded", *IDENTITY_COLUMNS[4:])


def _identity_row(identity: Identity) -> Row:
    name = identity.name
    return (
        *(identity.id, identity.key, int(name.kind), name.text, name.text.lower()),
        *(identity.customer, int(identity.seen), identity.owner),
        *(identity.link or (None, None, None)),
        identity.hash,
    )


def _identity(row: Row) -> Identity:
    number, key, kind, text, customer, seen, owner, *link, mark = row
    stamp = None if link[0] is None else Stamp(*link)
    name = Identifier(Kind(kind), text)
    return Identity(number, key, name, customer, bool(seen), owner, stamp, mark)
