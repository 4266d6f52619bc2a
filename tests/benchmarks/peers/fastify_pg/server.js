// The usual way to take events in with Node and PostgreSQL: fastify and pg, written by hand, one
// transaction for each request.
//
// It does less than Calyx: no identities, audiences, histories or receipts, and one time for all traits of
// a customer. What it does it does right: each messageId once, and a 200 only after the commit.

import { timingSafeEqual } from "node:crypto";

import Fastify from "fastify";
import pg from "pg";

const TABLES = `
  CREATE TABLE event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id text NOT NULL UNIQUE,
    type text NOT NULL,
    name text,
    user_id text,
    group_id text,
    at timestamptz NOT NULL,
    body jsonb NOT NULL
  );
  CREATE INDEX ON event (user_id, at);
  CREATE TABLE customer (
    user_id text PRIMARY KEY,
    traits jsonb NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL
  );
  CREATE INDEX ON customer (last_seen_at);
  CREATE TABLE account (
    group_id text PRIMARY KEY,
    traits jsonb NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL
  );
  CREATE INDEX ON account (last_seen_at);
  CREATE TABLE membership (
    user_id text NOT NULL,
    group_id text NOT NULL,
    joined_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, group_id)
  );
  CREATE INDEX ON membership (group_id);
`;

// A statement with a name is parsed and planned once for each connection.
const INSERT_EVENT = {
  name: "insert-event",
  text: `
    INSERT INTO event (message_id, type, name, user_id, group_id, at, body)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT DO NOTHING`,
};
const SAVE_CUSTOMER = { name: "save-customer", text: saveProfile("customer", "user_id") };
const SAVE_ACCOUNT = { name: "save-account", text: saveProfile("account", "group_id") };
const SAVE_MEMBERSHIP = {
  name: "save-membership",
  text: `
    INSERT INTO membership (user_id, group_id, joined_at)
    VALUES ($1, $2, $3)
    ON CONFLICT (user_id, group_id) DO UPDATE
    SET joined_at = excluded.joined_at WHERE excluded.joined_at < membership.joined_at`,
};

// Two batches about the same customers may wait for each other: PostgreSQL ends one of them.
const PASSING = new Set(["40001", "40P01"]);
const ATTEMPTS_MAX = 10;
const BODY_BYTES_MAX = 4 * 1024 * 1024;
const CONNECTIONS = 20;

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

const pool = new pg.Pool({ connectionString: process.env.PEER_DATABASE_URL, max: CONNECTIONS });
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
  await save([request.body]);
  return { success: true };
});

app.post("/v1/batch", { schema: { body: BATCH, response: ACCEPTED } }, async (request) => {
  await save(request.body.batch);
  return { success: true };
});

// Store messages and what follows from them, in one transaction that is done again if it lost a race.
async function save(messages) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await inTransaction(messages);
    } catch (error) {
      if (!PASSING.has(error.code) || attempt === ATTEMPTS_MAX) {
        throw error;
      }
    }
  }
}

async function inTransaction(messages) {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    for (const message of messages) {
      await saveMessage(client, message);
    }
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}

async function saveMessage(client, message) {
  const { messageId, type, event, userId, groupId, timestamp, traits } = message;
  const inserted = await client.query({
    ...INSERT_EVENT,
    values: [messageId, type, event, userId, groupId, timestamp, message],
  });
  if (inserted.rowCount === 0) {
    return;
  }
  if (userId) {
    const known = type === "identify" && traits ? traits : {};
    await client.query({ ...SAVE_CUSTOMER, values: [userId, known, timestamp] });
  }
  if (groupId) {
    const known = type === "group" && traits ? traits : {};
    await client.query({ ...SAVE_ACCOUNT, values: [groupId, known, timestamp] });
  }
  if (type === "group" && userId && groupId) {
    await client.query({ ...SAVE_MEMBERSHIP, values: [userId, groupId, timestamp] });
  }
}

// A late message fills gaps; it does not undo what a newer one said.
function saveProfile(table, key) {
  return `
    INSERT INTO ${table} (${key}, traits, first_seen_at, last_seen_at)
    VALUES ($1, $2, $3, $3)
    ON CONFLICT (${key}) DO UPDATE SET
      traits = CASE
        WHEN excluded.last_seen_at >= ${table}.last_seen_at
        THEN ${table}.traits || excluded.traits
        ELSE excluded.traits || ${table}.traits
      END,
      first_seen_at = least(${table}.first_seen_at, excluded.first_seen_at),
      last_seen_at = greatest(${table}.last_seen_at, excluded.last_seen_at)`;
}

await pool.query(TABLES);
await app.listen({ host: "127.0.0.1", port: Number(process.env.PEER_PORT) });
