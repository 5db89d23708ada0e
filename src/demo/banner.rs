//! What the demo prints: where things are, a token per role, and what to try.

use chrono::TimeDelta;
use entity::id::AffiliateId;

use super::world::World;
use crate::{
    app::App,
    auth::{
        Role,
        jwt::{CannotSign, Grant, Mode},
    },
};

const QUERY: &str = "{
  conversions(first: 5) {
    totalCount
    nodes { source kind status amount { amount currency } commission { amount } affiliate { name } }
  }
}";
const SUBSCRIPTION: &str = "subscription {
  conversionCreated {
    cursor
    conversion { source kind amount { amount currency } affiliate { name } }
  }
}";

/// The same on one line, for a terminal.
fn one_line(query: &str) -> String {
    query.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn token(app: &App, world: &World, role: Role, affiliate: Option<AffiliateId>) -> Result<String, CannotSign> {
    let grant = Grant {
        subject: "demo".into(),
        brand: world.brand.id,
        role,
        affiliate,
        mode: Some(Mode::Live),
        ttl: TimeDelta::hours(24),
    };
    app.tokens.issue(grant, app.clock.now())
}

/// GraphiQL with a query in it, signed in as the owner.
fn ide(base: &str, owner: &str, query: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    format!("{base}/graphql#token={owner}&query={}", encoded.replace('+', "%20"))
}

/// The newest sales in GraphiQL, signed in as the owner.
pub fn look_around(app: &App, world: &World, base: &str) -> Result<String, CannotSign> {
    Ok(ide(base, &token(app, world, Role::Owner, None)?, QUERY))
}

pub fn print(app: &App, world: &World, base: &str) -> Result<(), CannotSign> {
    let owner = token(app, world, Role::Owner, None)?;
    let manager = token(app, world, Role::Manager, None)?;
    let analyst = token(app, world, Role::Analyst, None)?;
    let affiliate = token(app, world, Role::Affiliate, Some(world.affiliate.id))?;
    let name = &world.affiliate.name;
    let socket = base.replacen("http", "ws", 1);
    println!(
        "
Rekomi demo: made-up sales against a Stripe stand-in; everything else is real. Ctrl-C ends it.

  GraphQL        {base}/graphql      (in a browser: GraphiQL)
  Subscriptions  {socket}/graphql/ws   (graphql-transport-ws)
  Webhook        {base}/webhooks/stripe/{slug}
  Metrics        {base}/metrics

Look around in GraphiQL, signed in as the owner:
  {explore}

Watch sales come in, live, in GraphiQL:
  {watch}

Follow an affiliate's link ({name}'s), buy something, and see whose sale it is:
  {base}/r/{link}

Or paste this query, or this curl line:
  {query}

  curl -s {base}/graphql -H 'content-type: application/json' -H \"authorization: Bearer $TOKEN\" \\
    -d '{{\"query\":\"{query}\"}}'

To subscribe from a program: connect to {socket}/graphql/ws with the sub-protocol graphql-transport-ws,
send connection_init with {{\"authorization\":\"Bearer $TOKEN\"}}, and subscribe to
  {subscription}
conversionUpdated, in the same form, tells of refunds and disputes.

Tokens, good for 24 hours (export TOKEN=…):
  owner      {owner}
  manager    {manager}
  analyst    {analyst}
  affiliate  {affiliate}   ({name})
",
        query = one_line(QUERY),
        subscription = one_line(SUBSCRIPTION),
        slug = world.brand.slug,
        link = world.link.slug,
        explore = ide(base, &owner, QUERY),
        watch = ide(base, &owner, SUBSCRIPTION),
    );
    Ok(())
}
