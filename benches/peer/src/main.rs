//! A peer to measure against: what one builds in an afternoon from cqrs-es, postgres-es and async-graphql-axum.
//!
//! It keeps the same rules (those of `domain`) and answers the same documents for creating projects and tasks and for
//! reading a task. It is tuned as well as its libraries allow, and spared much of what Milepost does: no sign-in, no
//! idempotency, no guard, two read models instead of six, no total order, no outbox; homes and task numbers are kept in
//! memory, which is right for one process only.

mod rules;
mod schema;
mod shop;
mod views;

use anyhow::{Context, Result};
use async_graphql_axum::GraphQL;
use axum::Router;
use axum::routing::post_service;
use axum::serve::ListenerExt;
use shop::Shop;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use std::str::FromStr;
use std::sync::Arc;
use tokio::net::TcpListener;

// The same allocator as Milepost has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Enough that requests do not wait for one, and few enough that backends do not fight over two cores.
const CONNECTIONS: u32 = 24;

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::var("DATABASE_URL").context("DATABASE_URL is not set")?;
    let options = PgConnectOptions::from_str(&url)?.application_name("peer").options([("jit", "off")]);
    let pool = PgPoolOptions::new()
        .min_connections(CONNECTIONS)
        .max_connections(CONNECTIONS)
        .test_before_acquire(false)
        .connect_with(options)
        .await?;
    sqlx::raw_sql(include_str!("tables.sql")).execute(&pool).await?;
    let schema = schema::schema(Arc::new(Shop::new(pool)));
    let router = Router::new().route("/graphql", post_service(GraphQL::new(schema)));
    let listener = TcpListener::bind(std::env::var("LISTEN").as_deref().unwrap_or("127.0.0.1:0")).await?;
    let address = listener.local_addr()?;
    eprintln!("peer serves address={address}");
    axum::serve(listener.tap_io(|stream| drop(stream.set_nodelay(true))), router).await?;
    Ok(())
}
