"""Facts of sections 4 and 5 by example: what messages say, flags."""

from typing import Any

import pytest

from tests.laws import model
from tests.laws.model_examples import (
    a,
    account,
    customer,
    engage,
    t,
    track,
    traits,
)
from tests.laws.model_message import Delivery

# 4. What it says.


def test_last_seen_passes_over_engage_and_inactive_messages() -> None:
    seen = customer(
        "user:u1",
        a("page", 20, userId="u1"),
        a("page", 30, userId="u1", context={"active": False}),
        a("identify", 40, userId="u1", context=engage("vip"), traits={"vip": True}),
        a("identify", 10, userId="u1", context=engage("vip"), traits={"vip": True}),
    )
    assert (seen["firstSeenAt"], seen["lastSeenAt"]) == (t(10), t(20))
    unseen = customer("user:u1", a("page", 30, userId="u1", context={"active": False}))
    assert unseen["lastSeenAt"] == unseen["firstSeenAt"] == t(30)


def test_a_trait_is_its_newest_write_and_null_unsets_it() -> None:
    known = customer(
        "user:u1",
        a(
            "identify",
            20,
            userId="u1",
            messageId="late",
            traits={"x": "new", "y": None, "z": "", "n": {"a": 1}},
        ),
        a("identify", 10, userId="u1", traits={"x": "old", "y": 1, "z": 1, "w": 1, "n": {"b": 1}}),
    )
    assert traits(known) == {"x": "new", "z": "", "w": 1, "n": {"a": 1}}
    assert known["traits"]["x"] == {
        "value": "new",
        "setAt": t(20),
        "messageId": "late",
        "origin": "TRAIT",
    }


def test_at_one_instant_the_greater_message_id_stands() -> None:
    writes = [
        a("identify", userId="u1", messageId=message_id, traits={"x": message_id})
        for message_id in ("m2", "m10")
    ]
    assert traits(customer("user:u1", *writes)) == {"x": "m2"}


def test_traits_of_the_context_are_written_where_identify_has_no_object_of_its_own() -> None:
    context = {"traits": {"x": 1}}
    assert traits(customer("user:u1", a("identify", userId="u1", traits="x", context=context))) == {
        "x": 1
    }
    assert traits(customer("user:u1", a("identify", userId="u1", traits={}, context=context))) == {}
    assert traits(customer("user:u1", a("page", userId="u1", context=context))) == {}


def test_signed_up_says_when_and_writes_its_properties_but_type() -> None:
    events = [
        track(
            "User Signed Up", 20, userId="u1", group="g1", properties={"type": "x", "email": "a@b"}
        )
    ]
    events.append(track(" signed UP ", 10, userId="u1"))
    known = customer("user:u1", *events)
    assert (known["signedUpAt"], traits(known), known["email"]) == (t(10), {"email": "a@b"}, "a@b")
    assert known["accounts"] == {"g1": {"role": None, "joinedAt": t(20)}}


def test_account_created_names_the_account_and_its_creator_joins() -> None:
    created = track(
        "Account Created",
        20,
        group="g1",
        userId="u1",
        properties={"account_name": "Acme", "name": "no", "plan": "pro"},
    )
    known = model.state([created, a("group", 10, groupId="g1")])
    assert traits(known["accounts"]["g1"]) == {"name": "Acme", "plan": "pro"}
    assert (known["accounts"]["g1"]["createdAt"], known["accounts"]["g1"]["firstSeenAt"]) == (
        t(20),
        t(10),
    )
    assert known["customers"]["user:u1"]["accounts"] == {"g1": {"role": None, "joinedAt": t(20)}}
    assert account("g1", track("Report Viewed", 15, group="g1"))["createdAt"] == t(15)


def test_an_account_is_deleted_until_a_later_sign_of_life() -> None:
    deleted = track("Account Deleted", 20, group="g1")
    assert account("g1", deleted, a("group", 20, groupId="g1"))["deletedAt"] == t(20)
    assert account("g1", deleted, a("group", 21, groupId="g1"))["deletedAt"] is None
    assert account("g1", deleted, track("Account Deleted", 30, group="g1"))["deletedAt"] == t(30)
    assert account("g1", deleted, track("Account Added User", 30, group="g1", userId="u1"))[
        "deletedAt"
    ] == t(20)


def test_a_revival_brings_no_member_back_but_shows_those_added_meanwhile() -> None:
    history = [a("group", 10, groupId="g1", userId="u1"), track("Account Deleted", 20, group="g1")]
    history.append(
        track("Account Added User", 30, group="g1", userId="u2", properties={"role": "admin"})
    )
    assert model.state(history)["customers"]["user:u2"]["accounts"] == {}
    known = model.state([*history, a("group", 40, groupId="g1")])["customers"]
    assert known["user:u1"]["accounts"] == {}
    assert known["user:u2"]["accounts"] == {"g1": {"role": "admin", "joinedAt": t(30)}}


def test_a_removal_wins_over_an_add_at_the_same_instant() -> None:
    added, removed = (
        track(f"Account {what} User", 20, group="g1", userId="u1") for what in ("Added", "Removed")
    )
    assert customer("user:u1", added, removed)["accounts"] == {}


def test_a_new_membership_begins_at_its_first_add_and_without_the_old_role() -> None:
    def added(second: int, **properties: Any) -> Delivery:
        return track("Account Added User", second, group="g1", userId="u1", properties=properties)

    removed = track("Account Removed User", 20, group="g1", userId="u1")
    before = [added(10, role="owner"), removed]
    assert customer("user:u1", *before, added(30), added(40))["accounts"]["g1"] == {
        "role": None,
        "joinedAt": t(30),
    }
    again = [*before, added(30, role="admin"), added(40), added(50, role=7)]
    assert customer("user:u1", *again)["accounts"]["g1"]["role"] == "admin"
    assert customer("user:u1", *again, added(60, role=None))["accounts"]["g1"]["role"] is None


def test_trial_events_write_their_three_account_traits_where_present() -> None:
    sent = track(
        "Trial Ended",
        group="g1",
        properties={"trial_plan_name": "pro", "trial_end_date": None, "x": 1},
    )
    assert traits(account("g1", sent)) == {"trial_plan_name": "pro"}


def test_typed_fields_take_the_newest_key_that_fits() -> None:
    known = customer(
        "user:u1",
        a(
            "identify",
            10,
            userId="u1",
            traits={"E-Mail": "old", "first_name": "Ada", "Last Name": "L", "phone": 1.5},
        ),
        a("identify", 20, userId="u1", traits={"email": "b", "EMAIL": "a", "title": True}),
        a("identify", 30, userId="u1", traits={"e_mail": " "}),
    )
    assert (known["email"], known["phone"], known["title"]) == ("a", "1.5", None)
    assert (known["firstName"], known["name"]) == ("Ada", "Ada L")
    assert account("g1", a("group", groupId="g1", traits={"first_name": "Ada"}))["name"] is None


@pytest.mark.parametrize(
    ("sent", "employees"),
    [
        (329, 329),
        ("329", 329),
        (12.0, 12),
        (2**31, None),
        ("2147483648", None),
        (1.5, None),
        (True, None),
        ("many", None),
    ],
)
def test_employees_is_a_32_bit_integer_or_its_digits(sent: Any, employees: int | None) -> None:
    assert (
        account("g1", a("group", groupId="g1", traits={"employees": sent}))["employees"]
        == employees
    )


def test_a_group_writes_traits_of_the_account_and_not_of_the_user() -> None:
    known = model.state([a("group", groupId="g1", anonymousId="a1", traits={"plan": "pro"})])
    assert (traits(known["accounts"]["g1"]), traits(known["customers"]["anonymous:a1"])) == (
        {"plan": "pro"},
        {},
    )
    assert known["customers"]["anonymous:a1"]["accounts"] == {
        "g1": {"role": None, "joinedAt": t(10)}
    }


# 5. Audience flags.


def test_a_boolean_trait_is_a_flag_with_its_runs() -> None:
    values = [(10, True), (20, True), (30, "out"), (40, True), (50, False), (60, True)]
    writes = [a("identify", second, userId="u1", traits={"vip": value}) for second, value in values]
    flag = customer("user:u1", *writes)["audiences"]["vip"]
    assert flag == {
        "member": True,
        "since": t(60),
        "origin": "TRAIT",
        "computationId": None,
        "intervals": [[t(10), t(30)], [t(40), t(50)], [t(60), None]],
    }
    assert customer("user:u1", *writes[:2])["audiences"]["vip"]["since"] == t(10)
    assert customer("user:u1", *writes[:3])["audiences"] == {}


def test_of_several_writes_at_one_instant_only_the_last_by_stamp_counts() -> None:
    writes = [
        a("identify", userId="u1", messageId=name, traits={"vip": value})
        for name, value in (("a", True), ("b", False))
    ]
    assert customer("user:u1", *writes)["audiences"]["vip"]["intervals"] == []


def test_true_as_text_is_a_flag_only_where_engage_wrote_it() -> None:
    plain = a("identify", userId="u1", traits={"vip": "true"})
    marked = a(
        "identify", 20, userId="u1", context=engage("vip"), traits={"vip": "true", "risk": "true"}
    )
    assert customer("user:u1", plain)["audiences"] == {}
    known = customer("user:u1", plain, marked)
    assert known["audiences"].keys() == {"vip"}
    assert (known["audiences"]["vip"]["since"], known["traits"]["vip"]["value"]) == (t(20), "true")


def test_a_key_is_of_engage_once_a_write_was_marked_though_it_lost() -> None:
    marked = a(
        "identify",
        10,
        userId="u1",
        context=engage("vip", computation_id="aud_1"),
        traits={"vip": False, "x": 1},
    )
    known = customer("user:u1", marked, a("identify", 20, userId="u1", traits={"vip": True}))
    assert (known["traits"]["vip"]["origin"], known["traits"]["x"]["origin"]) == ("ENGAGE", "TRAIT")
    assert (known["audiences"]["vip"]["origin"], known["audiences"]["vip"]["computationId"]) == (
        "ENGAGE",
        "aud_1",
    )


def test_a_marked_track_writes_its_key_by_property_else_by_name() -> None:
    def entered(name: str, **properties: Any) -> Any:
        return traits(customer("user:u1", track(name, userId="u1", properties=properties)))

    assert entered("Audience Entered", audience_key="vip") == {"vip": True}
    assert entered("Audience Exited", audience_key="vip") == {"vip": False}
    assert entered("Audience Entered", audience_key="vip", vip=False) == {"vip": False}
    assert entered("Renamed", audience_key="vip") == {}
    assert entered("Trait Computed", trait_key="logins", logins=17) == {"logins": 17}
    assert entered("Audience Entered", trait_key="vip") == {}


def test_a_marked_track_is_about_the_customer_it_names_else_about_the_account() -> None:
    sent: dict[str, Any] = {"event": "Audience Entered", "properties": {"audience_key": "vip"}}
    both = model.state([a("track", **sent, userId="u1", groupId="g1")])
    assert (
        both["customers"]["user:u1"]["audiences"].keys(),
        both["accounts"]["g1"]["audiences"],
    ) == ({"vip"}, {})
    assert account("g1", a("track", **sent, groupId="g1"))["audiences"].keys() == {"vip"}


def test_an_audience_key_marks_a_track_without_personas() -> None:
    sent = track("Audience Entered", 20, userId="u1", properties={"audience_key": "vip"})
    known = customer("user:u1", a("page", 10, userId="u1"), sent)
    assert (known["audiences"]["vip"]["origin"], known["lastSeenAt"]) == ("ENGAGE", t(10))


def test_a_track_with_personas_alone_writes_nothing() -> None:
    sent = track("Report Viewed", userId="u1", context=engage("vip"), properties={"vip": True})
    assert traits(customer("user:u1", sent)) == {}


def test_a_marked_group_neither_revives_an_account_nor_adds_a_member() -> None:
    marked = a(
        "group", 30, groupId="g1", userId="u1", context=engage("risk"), traits={"risk": True}
    )
    known = model.state([track("Account Deleted", 20, group="g1"), marked])
    assert (known["accounts"]["g1"]["deletedAt"], known["accounts"]["g1"]["lastSeenAt"]) == (
        t(20),
        t(20),
    )
    assert model.state([marked])["customers"]["user:u1"]["accounts"] == {}
