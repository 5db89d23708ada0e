//! A sale and its dispute, told in every order there is, some of it twice: the end is the same.

use chrono::TimeDelta;
use entity::conversion;
use rekomi::standin::{DisputeStep, SubscriptionSale};
use sea_orm::EntityTrait;

use crate::support::{rng::Rng, *};

/// Every order of these many things.
fn orders(things: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![vec![]];
    for thing in 0..things {
        let longer = orders.iter().flat_map(|order: &Vec<usize>| {
            (0..=order.len()).map(move |place| {
                let mut longer = order.clone();
                longer.insert(place, thing);
                longer
            })
        });
        orders = longer.collect();
    }
    orders
}

/// A sale and the steps of its dispute, each with its events; in half of the sales all happens within a second.
fn parts(app: &TestApp, sale: &mut SubscriptionSale, steps: &[DisputeStep], number: usize) -> Vec<Vec<Value>> {
    let shape = Shape::ALL[number % 4];
    let mut parts = vec![sale.start(shape)];
    for step in steps {
        app.pass(TimeDelta::seconds(i64::from(number % 8 > 3)));
        parts.push(vec![sale.dispute(shape, *step, Paid::First)]);
    }
    sale.sync(&app.acme.stripe);
    parts
}

/// Tells a sale and the steps of its dispute in every order. What is told before a cut is processed first. All sales are
/// told together, so that they are processed beside each other.
async fn in_any_order(app: &TestApp, steps: &[DisputeStep], ends_as: &str) {
    app.stage().await;
    let orders = orders(steps.len() + 1);
    let (mut early, mut late) = (vec![], vec![]);
    for (number, order) in orders.iter().enumerate() {
        let mut sale = app.sale().promo(app.promo("SARAH20")).build();
        let parts = parts(app, &mut sale, steps, number);
        let mut rng = Rng::seeded(number as u64);
        let mut told: Vec<Vec<Value>> = order.iter().map(|part| parts[*part].clone()).collect();
        let mut again = parts[rng.below(parts.len())].clone();
        again[0]["id"] = json!(format!("evt_again_{number}"));
        told.insert(rng.below(told.len() + 1), again);
        let rest = told.split_off(rng.below(told.len() + 1));
        early.extend(told.into_iter().flatten());
        late.extend(rest.into_iter().flatten());
    }
    app.deliver(&early).await;
    app.deliver(&late).await;
    assert_eq!(app.parked().await, [""; 0]);
    let rows = conversion::Entity::find().all(app.db()).await.unwrap();
    let line = |row: conversion::Model| {
        let (status, back, commission) = (row.status, row.refunded_amount, row.commission);
        format!("{status:?}, {back} back, commission {commission}")
    };
    let told: Vec<String> = rows.into_iter().map(line).collect();
    assert_eq!(told, vec![ends_as.to_owned(); orders.len()]);
}

both! {
    async fn a_won_dispute(app: &TestApp) {
        use DisputeStep::{Created, FundsReinstated, FundsWithdrawn, Won};
        let steps = [Created, FundsWithdrawn, Won, FundsReinstated];
        in_any_order(app, &steps, "Standing, 0 back, commission 800").await;
    }

    async fn a_lost_dispute_that_began_as_an_inquiry(app: &TestApp) {
        use DisputeStep::{FundsWithdrawn, Inquiry, Lost};
        let steps = [Inquiry, FundsWithdrawn, Lost];
        in_any_order(app, &steps, "Refunded, 4000 back, commission 0").await;
    }

    async fn a_dispute_that_is_reinstated_after_it_was_lost(app: &TestApp) {
        use DisputeStep::{Created, FundsReinstated, FundsWithdrawn, Lost};
        let steps = [Created, FundsWithdrawn, Lost, FundsReinstated];
        in_any_order(app, &steps, "Standing, 0 back, commission 800").await;
    }
}
