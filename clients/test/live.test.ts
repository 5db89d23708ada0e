// A live dashboard: a page is drawn, and kept live over a connection that is lost, to a server that dies.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { print } from "graphql";
import { connect, type Connection } from "../src/client.js";
import { ConversionCreatedDocument, ConversionsDocument } from "../src/generated.js";
import { subscribe } from "../src/resuming.js";
import { Demo } from "./demo.js";

/** The ids of all conversions, read page by page. */
async function all({ client }: Connection): Promise<{ ids: Set<string>; feedCursor: string }> {
  const ids = new Set<string>();
  let feedCursor = "";
  let after: string | null = null;
  do {
    const page: { data?: import("../src/generated.js").ConversionsQuery | undefined; error?: Error | undefined } = await client
      .query(ConversionsDocument, { first: 100, after }, { requestPolicy: "network-only" })
      .toPromise();
    assert.ifError(page.error);
    const { conversions, feedCursor: cursor } = page.data!;
    feedCursor ||= cursor;
    for (const { id } of conversions.nodes) ids.add(id);
    after = conversions.pageInfo.hasNextPage ? (conversions.pageInfo.endCursor ?? null) : null;
  } while (after !== null);
  return { ids, feedCursor };
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1200; tries += 1) {
    if (holds()) return;
    await sleep(50);
  }
  assert.fail(`waited for ${what}`);
}

for (const live of ["websocket", "events"] as const) {
  describe(`over ${live}`, () => {
    let demo: Demo;
    before(async () => {
      demo = await Demo.start();
    });
    after(() => demo.stop());

    test("no sale is missed and none told twice, though the server is killed in between", async () => {
      const dashboard = connect({ base: demo.base, token: demo.token("analyst"), live });
      const page = await all(dashboard);
      const heard: string[] = [];
      const errors: unknown[] = [];
      const request = { query: print(ConversionCreatedDocument), variables: { after: page.feedCursor } };
      const stop = subscribe(dashboard.live, request, {
        next: (result) => {
          if (result.errors) errors.push(result.errors);
          const event = result.data?.["conversionCreated"] as { conversion: { id: string } };
          heard.push(event.conversion.id);
        },
        error: (error) => errors.push(error),
        complete: () => {},
      });
      await until("three sales", () => heard.length >= 3);
      await demo.kill();
      const before = heard.length;
      await demo.run();
      await until("three more", () => heard.length >= before + 3);
      const later = await all(dashboard);
      const isNew = (id: string) => !page.ids.has(id);
      const expected = [...later.ids].filter(isNew);
      await until("all of them", () => expected.every((id) => heard.includes(id)));
      stop();
      assert.deepEqual(errors, []);
      assert.equal(new Set(heard).size, heard.length, "one was told twice");
      assert.ok(heard.every(isNew), "one was on the page already");
      await dashboard.close();
    });
  });
}
