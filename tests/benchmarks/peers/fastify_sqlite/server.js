// The usual way to take events in with Node and SQLite: fastify and better-sqlite3, written by hand, one
// transaction for each request.
//
// It does less than Calyx: no identities, audiences, histories or receipts, and one time for all traits of
// a customer. What it does it does right: each messageId once, and a 200 only after the commit.

import { timingSafeEqual } from "node:crypto";
import { fileURLToPath } from "node:url";

import Database from "better-sqlite3";
import Fastify from "fastify";

const TABLES = `
  CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    message_id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    name TEXT,
    user_id TEXT,
    group_id TEXT,
    at TEXT NOT NULL,
    body TEXT NOT NULL
  );
  CREATE INDEX event_user_id_at ON event (user_id, at);
  CREATE TABLE customer (
    user_id TEXT PRIMARY KEY,
    traits TEXT NOT NULL,
    first_seen_at TEXT NOT NULL,
    last_seen_at TEXT NOT NULL
  );
  CREATE INDEX customer_last_seen_at ON customer (last_seen_at);
  CREATE TABLE account (
    group_id TEXT PRIMARY KEY,
    traits TEXT NOT NULL,
    first_seen_at TEXT NOT NULL,
    last_seen_at TEXT NOT NULL
  );
  CREATE INDEX account_last_seen_at ON account (last_seen_at);
  CREATE TABLE membership (
    user_id TEXT NOT NULL,
    group_id TEXT NOT NULL,
    joined_at TEXT NOT NULL,
    PRIMARY KEY (user_id, group_id)
  ) WITHOUT ROWID;
  CREATE INDEX membership_group_id ON membership (group_id);
`;

const BODY_BYTES_MAX = 4 * 1024 * 1024;

const MESSAGE = {
  type: "object",
  required: ["messageId", "type", "timestamp"],
  properties: {
    messageId: { type: "string" },
    type: { type: "string" },
    timestamp: { type: "string", format: "date-time" },
    userId: { type: "string" },
    groupId: { type: "string" },
    event: { type: "string" },
    traits: { type: "object" },
  },
};
const BATCH = {
  type: "object",
  required: ["batch"],
  properties: { batch: { type: "array", items: MESSAGE } },
};
const ACCEPTED = { 200: { type: "object", properties: { success: { type: "boolean" } } } };

const database = new Database(fileURLToPath(process.env.PEER_DATABASE_URL));
// Durable, and with as much cache and as rare checkpoints as Calyx asks for.
database.pragma("journal_mode = WAL");
database.pragma("synchronous = FULL");
database.pragma("cache_size = -16384");
database.pragma("wal_autocheckpoint = 4000");
database.exec(TABLES);

const insertEvent = database.prepare(`
  INSERT INTO event (message_id, type, name, user_id, group_id, at, body)
  VALUES (?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO NOTHING`);
const saveCustomer = database.prepare(saveProfile("customer", "user_id"));
const saveAccount = database.prepare(saveProfile("account", "group_id"));
const saveMembership = database.prepare(`
  INSERT INTO membership (user_id, group_id, joined_at)
  VALUES (?, ?, ?)
  ON CONFLICT (user_id, group_id) DO UPDATE
  SET joined_at = excluded.joined_at WHERE excluded.joined_at < joined_at`);

// Store messages and what follows from them, in one transaction.
const save = database.transaction((messages) => {
  for (const message of messages) {
    saveMessage(message);
  }
});

const authorization = Buffer.from(
  `Basic ${Buffer.from(`${process.env.PEER_KEY}:`).toString("base64")}`,
);

const app = Fastify({ bodyLimit: BODY_BYTES_MAX });

app.addHook("onRequest", async (request, reply) => {
  const given = Buffer.from(request.headers.authorization ?? "");
  if (given.length !== authorization.length || !timingSafeEqual(given, authorization)) {
    return reply.code(401).send({ success: false });
  }
});

app.get("/", async () => ({ success: true }));

app.post("/segment", { schema: { body: MESSAGE, response: ACCEPTED } }, async (request) => {
  save.immediate([request.body]);
  return { success: true };
});

app.post("/v1/batch", { schema: { body: BATCH, response: ACCEPTED } }, async (request) => {
  save.immediate(request.body.batch);
  return { success: true };
});

function saveMessage(message) {
  const { messageId, type, event, userId, groupId, timestamp, traits } = message;
  const inserted = insertEvent.run(
    messageId,
    type,
    event ?? null,
    userId ?? null,
    groupId ?? null,
    timestamp,
    JSON.stringify(message),
  );
  if (inserted.changes === 0) {
    return;
  }
  if (userId) {
    const known = type === "identify" && traits ? traits : {};
    saveCustomer.run(userId, JSON.stringify(known), timestamp, timestamp);
  }
  if (groupId) {
    const known = type === "group" && traits ? traits : {};
    saveAccount.run(groupId, JSON.stringify(known), timestamp, timestamp);
  }
  if (type === "group" && userId && groupId) {
    saveMembership.run(userId, groupId, timestamp);
  }
}

// A late message fills gaps; it does not undo what a newer one said.
function saveProfile(table, key) {
  return `
    INSERT INTO ${table} (${key}, traits, first_seen_at, last_seen_at)
    VALUES (?, ?, ?, ?)
    ON CONFLICT (${key}) DO UPDATE SET
      traits = CASE
        WHEN excluded.last_seen_at >= last_seen_at
        THEN json_patch(traits, excluded.traits)
        ELSE json_patch(excluded.traits, traits)
      END,
      first_seen_at = min(first_seen_at, excluded.first_seen_at),
      last_seen_at = max(last_seen_at, excluded.last_seen_at)`;
}

await app.listen({ host: "127.0.0.1", port: Number(process.env.PEER_PORT) });
