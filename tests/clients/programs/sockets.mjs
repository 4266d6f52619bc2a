// Follows events as graphql-ws does: `sockets.mjs URL KEY COUNT AFTER`. Prints each, then how it ended.
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url, key, count, after] = process.argv.slice(2);
const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: { authorization: `Bearer ${key}` },
  retryAttempts: 0,
});
const query = "subscription ($after: String) { events(after: $after) { position messageId } }";
const told = [];
try {
  for await (const { data, errors } of client.iterate({ query, variables: { after } })) {
    if (errors) throw errors;
    told.push(data.events);
    if (told.length === Number(count)) break;
  }
  for await (const { data } of client.iterate({ query: "{ viewer { scopes } }" })) told.push(data);
  console.log(JSON.stringify({ told }));
} catch (error) {
  const errors = Array.isArray(error) ? error : [{ code: error.code, message: error.reason }];
  console.log(JSON.stringify({ told, errors }));
}
await client.dispose();
