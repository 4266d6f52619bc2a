"""What belongs to another workspace does not exist."""

from __future__ import annotations

from dataclasses import replace

from models.values import Workspace
from tests.graph.graphs import Asking, add_workspace

OTHER = Workspace(2, "other")


async def test_two_tenants_with_the_same_ids_see_their_own(empty: Asking) -> None:
    other = replace(empty, workspace=OTHER)
    await add_workspace(empty.database.inner, OTHER)
    for asking, plan in ((empty, "pro"), (other, "free")):
        await asking.deliver(
            [
                {
                    "type": "identify",
                    "userId": "u1",
                    "anonymousId": "d1",
                    "traits": {"plan": plan, "vip": True},
                },
                {"type": "group", "groupId": "a1", "userId": "u1", "traits": {"name": plan}},
            ]
        )
    query = """{ customers(where: {accounts: {some: {}}, audience: {in: ["vip"]}}) { totalCount nodes {
        id traits accounts(first: 2) { nodes { name members { totalCount } } } events(first: 3) { totalCount nodes {
        customer { traits } account { name } } } trait(key: "plan") { setBy { id } } } }
      accounts { totalCount nodes { id name } } events { totalCount nodes { id } }
      audiences { totalCount nodes { memberCount customers { nodes { traits } } } }
      customer(userId: "u1") { traits } account(groupId: "a1") { name }
      viewer { workspace { id name } key { name } } }"""
    mine, theirs = await empty.get(query), await other.get(query)
    assert mine["customers"]["totalCount"] == mine["accounts"]["totalCount"] == 1
    assert mine["events"]["totalCount"] == 2
    assert mine["viewer"]["workspace"]["name"] == "default"
    text = str(theirs)
    assert "free" in text
    assert "pro" not in text.replace("profile", "")
    ids = [mine["customers"]["nodes"][0]["id"], mine["accounts"]["nodes"][0]["id"]]
    ids += [event["id"] for event in mine["events"]["nodes"]]
    ids.append(mine["viewer"]["workspace"]["id"])
    found = await other.get("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ids})
    assert found["nodes"] == [None] * len(ids)
    one = await other.get("query($id: ID!) { customer(id: $id) { id } }", {"id": ids[0]})
    assert one == {"customer": None}
