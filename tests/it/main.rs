//! Rekomi from outside: over HTTP, WebSockets and the command line, on SQLite and on PostgreSQL.
//!
//! One binary; one file per rule book; `support` has what they share. Every test owns its database, its Stripe stand-in
//! and its clock, so they pass in any order and in parallel.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it is"
)]

#[macro_use]
mod support;

mod advice;
mod affiliates;
mod api_keys;
mod approval_mint;
mod attribution;
mod audit;
mod backfill;
mod backfill_by_command;
mod backfill_by_itself;
mod bodies;
mod bulk_mint;
mod bulk_mint_faults;
mod campaign_codes;
mod campaign_months;
mod campaigns;
mod changes_that_meet;
mod checkout;
mod cli;
mod clicked_sales;
mod clicks_told;
mod clocks_behind;
mod code_settings;
mod codes;
mod commissions;
mod connect;
mod conversions;
mod coupon_changes;
mod coupons;
mod coverage;
mod crash;
mod credit;
mod credit_notes;
mod decisions;
mod deleting;
mod deleting_faults;
mod demo;
mod disputes;
mod disputes_in_any_order;
mod drift;
mod drift_seams;
mod errors;
mod event_streams;
mod facts;
mod feed_keeping;
mod first_run;
mod fixed_cost;
mod fixtures;
mod floods;
mod histories;
mod histories_told;
mod identity;
mod importing;
mod inbox;
mod inbox_cli;
mod inbox_metrics;
mod joins;
mod lanes;
mod late_answers;
mod layers;
mod leaderboards;
mod ledger;
mod limits;
mod links;
mod live;
mod live_codes;
mod live_figures;
mod loaders;
mod logs;
mod looked_up;
mod minting;
mod operations;
mod operations_metrics;
mod ordering;
mod orders;
mod overrides;
mod owed_crashes;
mod paging;
mod persisted;
mod races;
mod rate_limits;
mod rates;
mod reassigning;
mod rebuild;
mod rebuild_differences;
mod reconcile;
mod reconcile_seams;
mod recruiters;
mod refunds;
mod refusals;
mod renaming;
mod renaming_faults;
mod replay;
mod reported_facts;
mod reported_refunds;
mod reported_refusals;
mod reported_sales;
mod reported_sales_meet;
mod reseal;
mod rest_conversions;
mod resume;
mod role_matrix;
mod row_connections;
mod row_security;
mod sales;
mod schema;
mod schema_changes;
mod series;
mod series_ranges;
mod serving;
mod signatures;
mod simulation;
mod starts;
mod stats;
mod switching;
mod tenancy;
mod tenancy_walk;
mod thin;
mod tokens;
mod updates;
mod upgrades;
mod viewer;
mod webhooks;
mod wire;
mod withdrawn;
