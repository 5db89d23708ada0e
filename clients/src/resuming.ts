// Subscriptions that go on where they were cut off.
//
// Each item of a feed carries a cursor. The libraries send the same request again when a connection was lost, so the
// variables they hold are kept up to date: `after` is always the last cursor that was seen. What happened meanwhile then
// comes first, in order, and once.
import type { ExecutionResult } from "graphql";
import type { Client as SocketClient } from "graphql-ws";
import type { Client as EventClient } from "graphql-sse";

export interface Request {
  query: string;
  variables: Record<string, unknown>;
}

export interface Sink<T> {
  next(result: T): void;
  error(error: unknown): void;
  complete(): void;
}

type Result = ExecutionResult<Record<string, unknown>, unknown>;

/** The clients of `graphql-ws` and `graphql-sse` have this in common. */
export type Live = Pick<SocketClient, "subscribe"> | Pick<EventClient, "subscribe">;

/** Subscribes, and after every loss of the connection again from the last item seen; the function ends it. */
export function subscribe(live: Live, { query, variables }: Request, sink: Sink<Result>): () => void {
  const request = { query, variables: { ...variables } };
  return (live as Pick<EventClient, "subscribe">).subscribe<Record<string, unknown>, unknown>(request, {
    next(result) {
      const cursor = lastCursor(result.data);
      if (cursor !== undefined) request.variables["after"] = cursor;
      sink.next(result);
    },
    error: (error) => sink.error(error),
    complete: () => sink.complete(),
  });
}

function lastCursor(data: Record<string, unknown> | null | undefined): string | undefined {
  const [item] = Object.values(data ?? {});
  const cursor = (item as { cursor?: unknown } | null | undefined)?.cursor;
  return typeof cursor === "string" ? cursor : undefined;
}
