// Follows events as graphql-sse does: `streams.mjs URL KEY COUNT AFTER`.
import { createClient } from "graphql-sse";
import { follow, key, url } from "./following.mjs";

const client = createClient({ url, headers: { Authorization: `Bearer ${key}` }, retryAttempts: 0 });
await follow(client, (error) => ({ code: error.response?.status, message: error.message }));
