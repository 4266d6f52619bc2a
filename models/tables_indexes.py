"""The tables of the indexes that Calyx keeps itself: no part of the state, and made of it again at any time."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import Column, Index, text
from sqlmodel import Field, SQLModel

from models.columns import big as _big
from models.columns import key as _key
from models.columns import row_number as _id
from models.columns import small as _small
from models.columns import text as _text
from models.dialect import CLUSTERED, TEXT


class KeptIndex(SQLModel, table=True):
    """An index that Calyx keeps itself, of one trait or of the words that are searched."""

    __tablename__: ClassVar[Any] = "kept_indexes"

    workspace_id: int = _big(primary_key=True)
    id: int = _id()
    # 0 a trait of customers, 1 a trait of accounts, 2 words.
    kind: int = _small()
    # Of a trait; else empty.
    key: str = _text()
    # 0 being built, 1 complete, 2 given up.
    state: int = _small()
    # 1 where nobody declared it: it was asked for often, and goes when it no longer is.
    hot: int = _small()
    asked_at: int = _big()
    # What of is read just now (of words: 0 customers, 1 accounts, 2 identities), and up to which row.
    stage: int = _small()
    done: int = _big()


class TraitValue(SQLModel, table=True):
    """What one index of a trait has of one customer or account."""

    __tablename__: ClassVar[Any] = "trait_values"
    __table_args__ = (
        Index("ix_trait_values_place", "workspace_id", "index_id", "place", "key"),
        Index(
            "ix_trait_values_folded",
            "workspace_id",
            "index_id",
            "folded",
            sqlite_where=text("folded IS NOT NULL"),
            postgresql_where=text("folded IS NOT NULL"),
        ),
        Index(
            "ix_trait_values_cut",
            "workspace_id",
            "index_id",
            sqlite_where=text("cut = 1"),
            postgresql_where=text("cut = 1"),
        ),
        CLUSTERED,
    )

    workspace_id: int = _big(primary_key=True)
    index_id: int = _big(primary_key=True)
    owner_id: int = _big(primary_key=True)
    # The owner's, by which ties are broken.
    key: bytes = _key()
    # Sorts as the values do: numbers, then text, then the rest. Bounded.
    place: str = _text()
    # Text in lower case, or the JSON of what is neither number nor text. Bounded.
    folded: str | None = _text(nullable=True)
    # 1 where `place` has less than the value, so that the order must look at the value itself.
    cut: int = _small()


class Word(SQLModel, table=True):
    """Where a word begins that can be searched for."""

    __tablename__: ClassVar[Any] = "words"
    __table_args__ = (CLUSTERED,)

    workspace_id: int = _big(primary_key=True)
    # 0 in a customer's name or email, 1 in an account's name or groupId, 2 in an identity.
    kind: int = _small(primary_key=True)
    word: str = Field(sa_column=Column(TEXT, primary_key=True, nullable=False))
    owner_id: int = _big(primary_key=True)
