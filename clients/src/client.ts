// A client for a dashboard: queries and mutations by HTTP, subscriptions by WebSocket or server-sent events, and one
// normalised cache beneath, so that what a mutation or a subscription brings shows wherever it is drawn.
import { Client, fetchExchange, mapExchange, subscriptionExchange, type Exchange } from "@urql/core";
import { cacheExchange } from "@urql/exchange-graphcache";
import { persistedExchange } from "@urql/exchange-persisted";
import { createClient as createEventClient } from "graphql-sse";
import { CloseCode, createClient as createSocketClient } from "graphql-ws";
import WebSocket from "ws";
import { subscribe, type Live } from "./resuming.js";

export interface Options {
  /** Where Rekomi is, such as `http://127.0.0.1:8080`. */
  base: string;
  /** A JWT or an API key. */
  token: string;
  /** How subscriptions come; some networks let no WebSockets through. */
  live?: "websocket" | "events" | undefined;
  /** Told of each answer that came over the network and not out of the cache, by the operation's name. */
  onAnswer?: (name: string) => void;
  /** Another `fetch`, such as one that logs. */
  fetch?: typeof fetch;
}

export interface Connection {
  client: Client;
  /** For subscriptions without the cache. */
  live: Live;
  close(): Promise<void>;
}

/** Milliseconds between two tries to connect again: longer each time, and not at the same moment for everybody. */
function pause(tries: number): number {
  return Math.min(100 * 2 ** tries, 10_000) * (0.5 + Math.random());
}

export function connect(options: Options): Connection {
  const authorization = `Bearer ${options.token}`;
  const live = options.live === "events" ? events(options.base, authorization) : sockets(options.base, authorization);
  const client = new Client({
    url: `${options.base}/graphql`,
    preferGetMethod: false,
    fetchOptions: { headers: { authorization } },
    ...(options.fetch && { fetch: options.fetch }),
    // A query is sent by its hash, and in full only where the server does not know it yet.
    exchanges: [
      cache(),
      told(options.onAnswer),
      persistedExchange({ preferGetForPersistedQueries: false }),
      fetchExchange,
      subscriptions(live),
    ],
  });
  return { client, live, close: async () => live.dispose() };
}

function sockets(base: string, authorization: string) {
  return createSocketClient({
    url: `${base.replace(/^http/, "ws")}/graphql/ws`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    retryAttempts: Infinity,
    retryWait: (tries) => new Promise((resolve) => setTimeout(resolve, pause(tries))),
    // A refused token stays refused.
    shouldRetry: (event) => (event as { code?: number }).code !== CloseCode.Forbidden,
  });
}

function events(base: string, authorization: string) {
  return createEventClient({
    url: `${base}/graphql`,
    headers: { authorization },
    retryAttempts: Infinity,
    retry: (tries) => new Promise((resolve) => setTimeout(resolve, pause(tries))),
  });
}

/** Types of what has no id of its own. */
const EMBEDDED = [
  ...["AffiliateStanding", "AttributionStep", "CampaignStanding", "CodeRedemptionStats", "CodeStanding", "Money", "SalesBucket"],
  ...["SalesChange", "SalesComparison", "SalesFigures", "SalesPeriod", "SalesSeries", "StripeInbox", "StripeSync", "UserError"],
  "Viewer",
];

/** Objects with a global id are kept once, whoever asked for them; the rest belongs to what it hangs on. */
function cache(): Exchange {
  const embedded = () => null;
  const keys = Object.fromEntries(EMBEDDED.map((type) => [type, embedded]));
  return cacheExchange({ keys });
}

/** Below the cache: what came from the network. */
function told(onAnswer: Options["onAnswer"]): Exchange {
  return mapExchange({
    onResult(result) {
      const [definition] = result.operation.query.definitions;
      const name = definition?.kind === "OperationDefinition" ? (definition.name?.value ?? "") : "";
      onAnswer?.(name);
    },
  });
}

function subscriptions(live: Live): Exchange {
  return subscriptionExchange({
    forwardSubscription: (request) => ({
      subscribe(sink) {
        const query = { query: request.query ?? "", variables: request.variables ?? {} };
        return { unsubscribe: subscribe(live, query, sink as Parameters<typeof subscribe>[2]) };
      },
    }),
  });
}
