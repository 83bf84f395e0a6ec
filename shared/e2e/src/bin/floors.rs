//! The floors: a bare server that writes one row for each request, or reads one key of Redis.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program as bare as can be, for comparison"
)]

use std::net::SocketAddr;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    routing::{get, post},
};
use clap::Parser;
use serde_json::{Value, json};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::net::TcpSocket;

#[derive(Parser)]
#[command(name = "floors")]
struct Flags {
    #[arg(long)]
    listen: SocketAddr,
    /// A database of its own
    #[arg(long)]
    database: String,
    /// Where the key `floor` is read
    #[arg(long)]
    redis: String,
    /// As many as the gateway has
    #[arg(long, default_value_t = 16)]
    connections: u32,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let pool =
        PgPoolOptions::new().max_connections(flags.connections).connect(&flags.database).await?;
    sqlx::raw_sql(
        "create table if not exists floor (floor_id uuid primary key, body json not null)",
    )
    .execute(&pool)
    .await?;
    let client = redis::Client::open(flags.redis)?;
    let redis = client.get_multiplexed_async_connection().await?;
    let router = Router::new()
        .route("/insert", post(insert))
        .route("/cached", get(cached))
        .route("/health", get(|| async { "ok" }))
        .with_state((pool, redis));
    // As many may wait as at a service.
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(flags.listen)?;
    let listener = socket.listen(4_096)?;
    println!("floors listen on {}", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}

type Servers = (PgPool, redis::aio::MultiplexedConnection);

async fn cached(State((_, mut redis)): State<Servers>) -> impl axum::response::IntoResponse {
    let body: Vec<u8> =
        redis::cmd("GET").arg("floor").query_async(&mut redis).await.unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], body)
}

async fn insert(
    State((pool, _)): State<Servers>,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let floor_id = uuid::Uuid::now_v7();
    let done = sqlx::query("insert into floor (floor_id, body) values ($1, $2)")
        .bind(floor_id)
        .bind(body)
        .execute(&pool)
        .await;
    match done {
        Ok(_) => (StatusCode::ACCEPTED, Json(json!({"booking_id": floor_id, "status": "pending"}))),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": error.to_string()})))
        }
    }
}
