// The GraphQL that PostGraphile makes of views on Calyx's own tables and indexes, described by smart tags.
//
// A view has the columns that the two documents of the comparison ask for, in the form in which Calyx answers
// them; what is read of which view, and how the page is put together, is left to PostGraphile.

import { timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

import pg from "pg";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { postgraphile } from "postgraphile";

// All that it misses of Node 22 where there is Node 20.
Promise.withResolvers ??= () => {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

const moment = (column) => `to_char(to_timestamp(0) AT TIME ZONE 'UTC' + ${column} * interval '1 microsecond', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

const person = `c.id AS number, 'cus_' || encode(c.key, 'hex') AS ident, c.user_id, c.name, c.email,
  ${moment("c.first_seen_at")} AS first_seen_at, ${moment("c.last_seen_at")} AS last_seen_at,
  c.last_seen_at AS seen_last, c.traits::json AS traits`;

const views = {
  customer: {
    tags: "@primaryKey number",
    select: `${person} FROM public.customers c WHERE c.workspace_id = 1`,
  },
  person: {
    tags: "@primaryKey key\n@unique number",
    select: `i.key, ${person},
      ARRAY(SELECT d.identifier FROM public.identities d WHERE d.workspace_id = 1 AND d.customer_id = c.id
            AND d.kind = 1 AND d.seen = 1 ORDER BY d.identifier) AS anonymous_ids
      FROM public.identities i JOIN public.customers c ON c.workspace_id = 1 AND c.id = i.customer_id
      WHERE i.workspace_id = 1 AND i.kind = 0`,
  },
  account: {
    tags: "@primaryKey number",
    select: `a.id AS number, 'acc_' || encode(a.key, 'hex') AS ident, a.group_id, a.name, a.plan,
      a.employees::int AS employees, a.traits::json AS traits FROM public.accounts a WHERE a.workspace_id = 1`,
  },
  place: {
    tags: `@primaryKey owner,firm
@foreignKey (owner) references customer (number)|@fieldName ofCustomer|@foreignFieldName places
@foreignKey (owner) references person (number)|@fieldName ofPerson|@foreignFieldName places
@foreignKey (firm) references account (number)|@fieldName account|@foreignFieldName places`,
    select: `m.customer_id AS owner, m.account_id AS firm, m.role, ${moment("m.joined_at")} AS joined_at,
      m.joined_at AS joined FROM public.memberships m
      JOIN public.accounts a ON a.workspace_id = 1 AND a.id = m.account_id
      WHERE m.workspace_id = 1 AND m.joined_at IS NOT NULL AND a.deleted_at IS NULL
        AND (a.last_deletion_at IS NULL OR m.joined_at > a.last_deletion_at)`,
  },
  flag: {
    tags: `@primaryKey owner,key
@foreignKey (owner) references customer (number)|@fieldName ofCustomer|@foreignSimpleFieldName flags
@foreignKey (owner) references person (number)|@fieldName ofPerson|@foreignSimpleFieldName flags`,
    select: `f.owner_id AS owner, a.key, f.member = 1 AS member, ${moment("f.since")} AS since
      FROM public.flags f JOIN public.audiences a ON a.workspace_id = 1 AND a.id = f.audience_id
      WHERE f.workspace_id = 1 AND f.entity = 0 AND f.member IS NOT NULL`,
  },
  event: {
    tags: `@primaryKey ident
@foreignKey (owner) references person (number)|@fieldName ofPerson|@foreignFieldName events`,
    select: `i.customer_id AS owner, 'evt_' || encode(e.key, 'hex') AS ident,
      (ARRAY['TRACK', 'IDENTIFY', 'GROUP', 'ALIAS', 'PAGE', 'SCREEN', 'DELETE'])[e.type + 1] AS type, e.name,
      ${moment("e.at")} AS "timestamp", coalesce(e.body::json -> 'properties', '{}') AS properties,
      e.at, e.message_id FROM public.events e
      JOIN public.identities i ON i.workspace_id = 1 AND i.id = e.whom WHERE e.workspace_id = 1 AND e.veil = 0`,
  },
};

const connectionString = process.env.PEER_DATABASE_URL.replace("+asyncpg", "");

async function makeViews() {
  const client = new pg.Client({ connectionString });
  await client.connect();
  await client.query("DROP SCHEMA IF EXISTS peer CASCADE; CREATE SCHEMA peer");
  for (const [name, { select, tags }] of Object.entries(views)) {
    await client.query(`CREATE VIEW peer.${name} AS SELECT ${select}; COMMENT ON VIEW peer.${name} IS $$${tags}$$`);
  }
  await client.end();
}

const secret = Buffer.from(`Bearer ${process.env.PEER_KEY}`);

function known(request) {
  const given = Buffer.from(request.headers.authorization ?? "");
  return given.length === secret.length && timingSafeEqual(given, secret);
}

await makeViews();
const server = createServer();
const made = postgraphile({
  extends: [PostGraphileAmberPreset],
  pgServices: [makePgService({ connectionString, schemas: ["peer"], pubsub: false, poolConfig: { max: 8 } })],
  schema: { defaultBehavior: "list connection" },
  grafserv: { graphqlPath: "/graphql", graphiql: false, watch: false, websockets: false },
});
const serve = made.createServ(grafserv).createHandler();
server.on("request", (request, response) => {
  if (request.url === "/") response.end("{}");
  else if (known(request)) serve(request, response);
  else response.writeHead(401).end();
});
await made.getSchema();
server.listen({ host: "127.0.0.1", port: Number(process.env.PEER_PORT) });
