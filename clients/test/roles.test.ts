// What each of the four roles does with a dashboard, and what it may not.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { CombinedError, TypedDocumentNode } from "@urql/core";
import { connect, type Connection } from "../src/client.js";
import * as operations from "../src/generated.js";
import { Demo, type Role } from "./demo.js";

let demo: Demo;
const open: Connection[] = [];
before(async () => {
  demo = await Demo.start();
  await demo.sales(3);
});
after(async () => {
  await Promise.all(open.map((connection) => connection.close()));
  await demo.stop();
});

function as(role: Role, onAnswer?: (name: string) => void): Connection {
  const connection = connect({ base: demo.base, token: demo.token(role), ...(onAnswer && { onAnswer }) });
  open.push(connection);
  return connection;
}

async function query<D, V extends object>({ client }: Connection, document: TypedDocumentNode<D, V>, variables: V): Promise<D> {
  const result = await client.query(document, variables).toPromise();
  assert.ifError(result.error);
  return result.data!;
}

async function mutate<D, V extends object>({ client }: Connection, document: TypedDocumentNode<D, V>, variables: V): Promise<D> {
  const result = await client.mutation(document, variables).toPromise();
  assert.ifError(result.error);
  return result.data!;
}

function codes(error: CombinedError | undefined): unknown[] {
  return (error?.graphQLErrors ?? []).map((one) => one.extensions["code"]);
}

test("an analyst sees conversions by source, and what each code brought", async () => {
  const analyst = as("analyst");
  const { conversions } = await query(analyst, operations.ConversionsDocument, { first: 20, filter: { attributionMethod: ["COUPON"] } });
  assert.ok(conversions.totalCount >= conversions.nodes.length && conversions.nodes.length > 0);
  for (const row of conversions.nodes) {
    assert.match(row.source, /^Coupon/);
    assert.equal(row.amount.minorUnits, Math.round(Number(row.amount.amount) * 100));
  }
  const { codeRedemptionStats } = await query(analyst, operations.CodeStatsDocument, { first: 10 });
  assert.ok(codeRedemptionStats.nodes.some((stats) => stats.redemptions > 0));
  const { salesSeries, viewer } = await query(analyst, operations.SalesDocument, {});
  assert.equal(viewer.role, "ANALYST");
  assert.equal(salesSeries.buckets.length, 30);
  const sold = salesSeries.buckets.reduce((sum, { figures }) => sum + figures.conversions, 0);
  assert.ok(sold >= conversions.nodes.length);
  const refused = await analyst.client
    .mutation(operations.CreateCampaignDocument, {
      input: { name: "Not mine", landingUrl: "https://shop.example", commission: { percent: "10" } },
    })
    .toPromise();
  assert.deepEqual(codes(refused.error), ["FORBIDDEN"]);
});

test("a document is sent once, and by its hash from then on", async () => {
  const sent: { query?: string; extensions?: { persistedQuery?: unknown } }[] = [];
  const analyst = connect({
    base: demo.base,
    token: demo.token("analyst"),
    fetch: (input, init) => {
      sent.push(JSON.parse(String(init?.body)));
      return fetch(input, init);
    },
  });
  open.push(analyst);
  for (const first of [2, 3]) await query(analyst, operations.StandingsDocument, { first });
  // Not known; the text; known.
  assert.deepEqual(sent.map((body) => [body.query !== undefined, body.extensions?.persistedQuery !== undefined]), [
    [false, true],
    [true, true],
    [false, true],
  ]);
});

test("what a manager decides shows wherever the conversion is drawn, without asking again", async () => {
  const asked: string[] = [];
  const manager = as("manager", (name) => asked.push(name));
  const drawn: string[] = [];
  const { nodes } = (await query(manager, operations.ConversionsDocument, { first: 50 })).conversions;
  const sale = nodes.find((row) => row.status === "PENDING");
  assert.ok(sale);
  const page = manager.client.query(operations.ConversionsDocument, { first: 50 }).subscribe(({ data }) => {
    const row = data?.conversions.nodes.find(({ id }) => id === sale.id);
    if (row) drawn.push(row.status);
  });
  const input = { ids: [sale.id], reason: "a test order" };
  const { rejectConversions } = await mutate(manager, operations.RejectConversionsDocument, { input });
  assert.deepEqual(rejectConversions.results.map((one) => [one.changed, one.userErrors]), [[true, []]]);
  page.unsubscribe();
  assert.deepEqual([drawn.at(0), drawn.at(-1)], ["PENDING", "REJECTED"]);
  assert.deepEqual(asked, ["Conversions", "RejectConversions"]);
});

test("a manager sets up a campaign, a coupon and an affiliate, and mints a code", async () => {
  const manager = as("manager");
  const campaign = await mutate(manager, operations.CreateCampaignDocument, {
    input: { name: "Spring", landingUrl: "https://shop.example/spring", commission: { percent: "12.5" } },
  });
  assert.deepEqual(campaign.createCampaign.userErrors, []);
  const campaignId = campaign.createCampaign.campaign!.id;
  const coupon = await mutate(manager, operations.CreateCouponDocument, {
    input: { campaignId, name: "Spring 20", discount: { percentOff: "20" }, duration: "ONCE" },
  });
  assert.deepEqual(coupon.createCampaignCoupon.userErrors, []);
  const affiliate = await mutate(manager, operations.CreateAffiliateDocument, {
    input: { name: "Dana Diaz", email: "dana@affiliates.example", campaignIds: [campaignId] },
  });
  assert.equal(affiliate.createAffiliate.affiliate?.status, "APPROVED");
  const couponId = coupon.createCampaignCoupon.campaignCoupon!.id;
  const input = { couponId, affiliateId: affiliate.createAffiliate.affiliate!.id, code: "dana20" };
  const { mintAffiliateCode: minted } = await mutate(manager, operations.MintCodeDocument, { input });
  assert.deepEqual(
    [minted.affiliateCode?.code, minted.affiliateCode?.status, minted.affiliateCode?.stripeSync.status, minted.userErrors],
    ["DANA20", "ACTIVE", "SYNCED", []],
  );
  const { mintAffiliateCode: again } = await mutate(manager, operations.MintCodeDocument, { input });
  assert.deepEqual(again.userErrors.map(({ code, field }) => [code, field]), [["TAKEN", ["code"]]]);
});

test("an affiliate mints a code of its own, and sees nobody else", async () => {
  const affiliate = as("affiliate");
  const program = await query(affiliate, operations.ProgramDocument, {});
  assert.equal(program.affiliates.totalCount, 1);
  const [self] = program.affiliates.nodes;
  const coupon = program.campaignCoupons.nodes.find((one) => one.allowAffiliateSelfMint);
  assert.ok(self && coupon);
  const { mintAffiliateCode } = await mutate(affiliate, operations.MintCodeDocument, {
    input: { couponId: coupon.id, code: "my-own-show" },
  });
  assert.deepEqual(mintAffiliateCode.userErrors, []);
  assert.equal(mintAffiliateCode.affiliateCode?.code, "MY-OWN-SHOW");
  const { conversions } = await query(affiliate, operations.ConversionsDocument, { first: 100 });
  for (const row of conversions.nodes) {
    assert.equal(row.affiliate?.id, self.id);
    assert.doesNotMatch(row.customerEmail ?? "", /^[^*]*@/);
  }
  const refused = await affiliate.client.query(operations.InboxDocument, {}).toPromise();
  assert.ok(codes(refused.error).every((code) => code === "FORBIDDEN"));
  assert.notEqual(codes(refused.error).length, 0);
});

test("an owner makes a key, which works until it is revoked", async () => {
  const owner = as("owner");
  await query(owner, operations.InboxDocument, {});
  const { createApiKey } = await mutate(owner, operations.CreateApiKeyDocument, { input: { name: "reports", scopes: ["READ"] } });
  assert.deepEqual(createApiKey.userErrors, []);
  const machine = connect({ base: demo.base, token: createApiKey.key! });
  open.push(machine);
  const { conversions } = await query(machine, operations.ConversionsDocument, { first: 1 });
  assert.equal(conversions.nodes.length, 1);
  const { revokeApiKey } = await mutate(owner, operations.RevokeApiKeyDocument, { input: { id: createApiKey.apiKey!.id } });
  assert.equal(revokeApiKey.apiKey?.status, "REVOKED");
  for (let tries = 0; ; tries += 1) {
    const result = await machine.client
      .query(operations.ConversionsDocument, { first: 1 }, { requestPolicy: "network-only" })
      .toPromise();
    if (codes(result.error)[0] === "UNAUTHENTICATED" || result.error?.response?.status === 401) break;
    assert.ok(tries < 100, "the key still works");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});
