"""The two pages that all peers have, as PostGraphile is asked for them: its names, and the answers of all."""

from __future__ import annotations

import json
from base64 import b64encode

from api.keys import DEFAULT_WORKSPACE
from models.values import Identifier, Kind, identity_key
from tests.benchmarks.servers import PEERS

NAME = "PostGraphile 5"
FOLDER = PEERS / "postgraphile"

# Aliases give its fields the names of ours, so that the answers can be compared as they are.
LIST_PAGE = """
query ListPage {
  customers: allCustomers(first: 50, orderBy: [SEEN_LAST_DESC]) {
    edges {
      node {
        id: ident userId name email lastSeenAt traits
        audiences: flags(orderBy: [KEY_ASC]) { key member since }
        accounts: places(first: 5, orderBy: [JOINED_DESC]) {
          edges: nodes { role joinedAt node: account { id: ident groupId name plan } }
          pageInfo { hasNextPage }
        }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""
CUSTOMER_PAGE = """
query CustomerPage($key: Base64EncodedBinary!) {
  customer: personByKey(key: $key) {
    id: ident userId anonymousIds name email firstSeenAt lastSeenAt traits
    audiences: flags(orderBy: [KEY_ASC]) { key member since }
    accounts: places(first: 10, orderBy: [JOINED_DESC]) {
      edges: nodes {
        role joinedAt node: account { id: ident groupId name plan employees traits }
      }
      pageInfo { hasNextPage }
    }
    events(first: 20, orderBy: [AT_DESC, MESSAGE_ID_DESC]) {
      edges { node { id: ident type name timestamp properties } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""


def list_page() -> str:
    """Return the body that asks for the list page."""
    return json.dumps({"query": LIST_PAGE, "variables": {}})


def customer_page(user_id: str) -> str:
    """Return the body that asks for the page of a customer, by the key of the userId."""
    key = identity_key(DEFAULT_WORKSPACE, Identifier(Kind.USER, user_id))
    variables = {"key": b64encode(key).decode()}
    return json.dumps({"query": CUSTOMER_PAGE, "variables": variables})
