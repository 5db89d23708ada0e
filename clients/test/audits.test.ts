// GraphQL over HTTP, as the reference implementation's audits see it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { serverAudits } from "graphql-http";
import { Demo } from "./demo.js";

let demo: Demo;
before(async () => {
  demo = await Demo.start();
});
after(() => demo.stop());

const audits = serverAudits({ url: () => `${demo.base}/graphql` });

test("there are 61 of them", () => {
  assert.equal(audits.length, 61);
});

for (const audit of audits) {
  test(audit.name, async () => {
    const result = await audit.fn();
    // Neither an error, nor a warning, nor a notice.
    assert.equal(result.status, "ok", "reason" in result ? result.reason : "");
  });
}
