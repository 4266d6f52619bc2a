// Follows events as graphql-ws does: `sockets.mjs URL KEY COUNT AFTER`.
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { follow, key, url } from "./following.mjs";

const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: { authorization: `Bearer ${key}` },
  retryAttempts: 0,
});
await follow(client, (error) => ({ code: error.code, message: error.reason }));
