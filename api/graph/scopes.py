"""Which scope each field of the roots needs. A field that is not named here serves nobody but admins. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from api.auth import Scope

_READ = (
    "node nodes customer customers account accounts audience audiences traitKeys"
    " events receipt quarantine explain stats viewer"
)
_WRITE = (
    "signUp identify createAccount updateAccount deleteAccount addUserToAccount"
    " removeUserFromAccount track"
)
_ADMIN_QUERIES = "apiKeys auditLog"
_ADMIN_MUTATIONS = "eraseCustomer retryQuarantined indexTrait createApiKey revokeApiKey"
_SUBSCRIPTIONS = "customerChanged customersChanged events"


def _each(names: str, scope: Scope) -> dict[str, Scope]:
    return dict.fromkeys(names.split(), scope)


SCOPES: Mapping[str, Mapping[str, Scope]] = {
    "Query": _each(_READ, Scope.READ) | _each(_ADMIN_QUERIES, Scope.ADMIN),
    "Mutation": _each(_WRITE, Scope.WRITE) | _each(_ADMIN_MUTATIONS, Scope.ADMIN),
    "Subscription": _each(_SUBSCRIPTIONS, Scope.READ),
}
"""The scope that each field of Query, Mutation and Subscription needs."""

_KINDS = {"Query": Scope.READ, "Mutation": Scope.WRITE, "Subscription": Scope.READ}


def needed(root: str, field: str) -> Scope:
    """Return the scope that a field of a root needs."""
    if field.startswith("__"):
        return _KINDS[root]
    return SCOPES[root].get(field, Scope.ADMIN)
