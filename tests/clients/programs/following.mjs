// Follows events with a client of subscriptions: COUNT of them after AFTER, then asks who it is. Prints each, then how it ended.
export const [url, key, count, after] = process.argv.slice(2);

const query = "subscription ($after: String) { events(after: $after) { position messageId } }";

export async function follow(client, failure) {
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
    console.log(JSON.stringify({ told, errors: Array.isArray(error) ? error : [failure(error)] }));
  }
  await client.dispose();
}
