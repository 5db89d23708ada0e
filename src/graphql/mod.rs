//! GraphQL: one file per noun. A resolver decodes, calls one domain function, and maps the answer.
//!
//! Objects carry the loaders of the request, or of the event of a subscription, that they were read in.

pub mod affiliates;
pub mod api_keys;
pub mod audit;
pub mod bulk_mint;
pub mod campaign_codes;
pub mod campaigns;
pub mod code_settings;
pub mod codes;
pub mod connection;
pub mod context;
pub mod conversions;
pub mod coupons;
pub mod decisions;
pub mod errors;
pub mod figures;
pub mod inbox;
pub mod leaderboards;
pub mod ledger;
pub mod links;
pub mod loaders;
pub mod mutation;
pub mod node;
pub mod orders;
pub mod query;
pub mod rates;
pub mod recruiters;
pub mod reported_sales;
pub mod scalars;
pub mod schema;
pub mod series;
pub mod simulation;
pub mod stats;
pub mod subscription;
pub mod transport;
pub mod viewer;
