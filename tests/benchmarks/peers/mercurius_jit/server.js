// The fast way to read by GraphQL with Node and PostgreSQL: mercurius with graphql-jit, its loaders, and
// statements written by hand over Calyx's own tables and indexes.
//
// It has what the two documents of the comparison ask for, and answers them as Calyx does, but for cursors.

import { createHash, timingSafeEqual } from "node:crypto";

import Fastify from "fastify";
import { GraphQLScalarType } from "graphql";
import mercurius from "mercurius";
import pg from "pg";

const PAGE = 50;
const TYPES = ["TRACK", "IDENTIFY", "GROUP", "ALIAS", "PAGE", "SCREEN", "DELETE"];

const schema = `
  scalar DateTime
  scalar JSON
  type Query {
    customers(first: Int = ${PAGE}): CustomerConnection!
    customer(userId: String!): Customer
  }
  type PageInfo { hasNextPage: Boolean! endCursor: String }
  type CustomerConnection { edges: [CustomerEdge!]! pageInfo: PageInfo! }
  type CustomerEdge { node: Customer! }
  type Customer {
    id: ID! userId: String anonymousIds: [String!]! name: String email: String
    firstSeenAt: DateTime! lastSeenAt: DateTime! traits: JSON!
    audiences: [AudienceFlag!]!
    accounts(first: Int = ${PAGE}): CustomerAccountConnection!
    events(first: Int = ${PAGE}): EventConnection!
  }
  type AudienceFlag { key: String! member: Boolean! since: DateTime! }
  type CustomerAccountConnection { edges: [CustomerAccountEdge!]! pageInfo: PageInfo! }
  type CustomerAccountEdge { role: String joinedAt: DateTime! node: Account! }
  type Account { id: ID! groupId: String! name: String plan: String employees: Int traits: JSON! }
  type EventConnection { edges: [EventEdge!]! pageInfo: PageInfo! }
  type EventEdge { node: Event! }
  type Event { id: ID! type: String! name: String timestamp: DateTime! properties: JSON! }
`;

// Microseconds, which a bigint column gives as text.
function moment(micros) {
  const text = String(micros);
  return new Date(Number(text.slice(0, -3))).toISOString().slice(0, -1) + text.slice(-3) + "Z";
}

const url = process.env.PEER_DATABASE_URL.replace("+asyncpg", "");
const pool = new pg.Pool({ connectionString: url, max: 8 });

async function rows(name, text, values) {
  return (await pool.query({ name, text, values })).rows;
}

const CUSTOMER = `c.id, encode(c.key, 'hex') AS key, c.user_id, c.name, c.email, c.first_seen_at, c.last_seen_at, c.traits`;

function customer(row) {
  return {
    number: row.id,
    id: "cus_" + row.key,
    userId: row.user_id,
    name: row.name,
    email: row.email,
    firstSeenAt: row.first_seen_at,
    lastSeenAt: row.last_seen_at,
    traits: JSON.parse(row.traits),
  };
}

function page(found, first, edge, cursor) {
  const shown = found.slice(0, first);
  const last = shown.at(-1);
  return {
    edges: shown.map(edge),
    pageInfo: { hasNextPage: found.length > first, endCursor: last ? cursor(last) : null },
  };
}

const resolvers = {
  DateTime: new GraphQLScalarType({ name: "DateTime", serialize: moment }),
  JSON: new GraphQLScalarType({ name: "JSON", serialize: (value) => value }),
  Query: {
    async customers(_, { first }) {
      const found = await rows(
        `customers ${first}`,
        `SELECT ${CUSTOMER} FROM customers c WHERE c.workspace_id = 1
         ORDER BY c.last_seen_at DESC, c.key DESC LIMIT ${first + 1}`,
        [],
      );
      return page(found, first, (row) => ({ node: customer(row) }), (row) => `${row.last_seen_at}:${row.key}`);
    },
    async customer(_, { userId }) {
      const [row] = await rows(
        "customer",
        `SELECT ${CUSTOMER} FROM identities i JOIN customers c ON c.workspace_id = 1 AND c.id = i.customer_id
         WHERE i.workspace_id = 1 AND i.kind = 0 AND i.key = $1`,
        [key(userId)],
      );
      return row ? customer(row) : null;
    },
  },
};

const loaders = {
  Customer: {
    async anonymousIds(queries) {
      return grouped(queries, await rows(
        "devices",
        `SELECT customer_id AS owner, identifier FROM identities
         WHERE workspace_id = 1 AND customer_id = ANY($1) AND kind = 1 AND seen = 1 ORDER BY identifier`,
        [numbers(queries)],
      ), (row) => row.identifier);
    },
    async audiences(queries) {
      return grouped(queries, await rows(
        "flags",
        `SELECT f.owner_id AS owner, a.key, f.member, f.since FROM flags f
         JOIN audiences a ON a.workspace_id = 1 AND a.id = f.audience_id
         WHERE f.workspace_id = 1 AND f.entity = 0 AND f.owner_id = ANY($1) AND f.member IS NOT NULL
         ORDER BY a.key`,
        [numbers(queries)],
      ), (row) => ({ key: row.key, member: row.member === 1, since: row.since }));
    },
    async accounts(queries) {
      const found = await rows(
        "places",
        `SELECT m.customer_id AS owner, m.role, m.joined_at, encode(a.key, 'hex') AS key, a.group_id, a.name,
                a.plan, a.employees::int AS employees, a.traits
         FROM memberships m JOIN accounts a ON a.workspace_id = 1 AND a.id = m.account_id
         WHERE m.workspace_id = 1 AND m.customer_id = ANY($1) AND m.joined_at IS NOT NULL
           AND a.deleted_at IS NULL AND (a.last_deletion_at IS NULL OR m.joined_at > a.last_deletion_at)
         ORDER BY m.joined_at DESC, a.key DESC`,
        [numbers(queries)],
      );
      const each = grouped(queries, found, (row) => row);
      return each.map((places, at) => page(places, queries[at].params.first, (row) => ({
        role: row.role,
        joinedAt: row.joined_at,
        node: {
          id: "acc_" + row.key,
          groupId: row.group_id,
          name: row.name,
          plan: row.plan,
          employees: row.employees,
          traits: JSON.parse(row.traits),
        },
      }), (row) => `${row.joined_at}:${row.key}`));
    },
    async events(queries) {
      return Promise.all(queries.map(async ({ obj, params }) => {
        const found = await rows(
          `events ${params.first}`,
          `SELECT encode(key, 'hex') AS key, type, name, at, body FROM events
           WHERE workspace_id = 1 AND veil = 0
             AND whom IN (SELECT id FROM identities WHERE workspace_id = 1 AND customer_id = $1)
           ORDER BY at DESC, message_id DESC, key DESC LIMIT ${params.first + 1}`,
          [obj.number],
        );
        return page(found, params.first, (row) => ({
          node: {
            id: "evt_" + row.key,
            type: TYPES[row.type],
            name: row.name,
            timestamp: row.at,
            properties: JSON.parse(row.body).properties ?? {},
          },
        }), (row) => `${row.at}:${row.key}`);
      }));
    },
  },
};

const numbers = (queries) => queries.map(({ obj }) => obj.number);

function grouped(queries, found, wrap) {
  const groups = new Map(queries.map(({ obj }) => [obj.number, []]));
  for (const row of found) groups.get(row.owner).push(wrap(row));
  return queries.map(({ obj }) => groups.get(obj.number));
}

// The key of a userId, as Calyx makes it.
function key(userId) {
  return createHash("sha256").update(`default\0user\0${userId}`).digest().subarray(0, 16);
}

const secret = Buffer.from(`Bearer ${process.env.PEER_KEY}`);
const app = Fastify();
app.addHook("onRequest", async (request, reply) => {
  const given = Buffer.from(request.headers.authorization ?? "");
  const known = given.length === secret.length && timingSafeEqual(given, secret);
  if (!known && request.url !== "/") return reply.code(401).send({ errors: [{ message: "the key is wrong" }] });
});
app.get("/", async () => ({}));
await app.register(mercurius, { schema, resolvers, loaders, jit: 1, cache: 1000 });
await app.listen({ host: "127.0.0.1", port: Number(process.env.PEER_PORT) });
