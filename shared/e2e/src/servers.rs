//! A stack's part of the servers it shares: its databases in PostgreSQL, its vhost in RabbitMQ.

use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection};

use crate::checkout::Infra;

/// One service's database and its two roles.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) name: String,
    role: String,
    base: String,
}

impl Database {
    pub(crate) fn of(infra: &Infra, stack: &str, service: &str) -> Self {
        let role = service.replace('-', "_");
        let name = format!("{stack}_{role}");
        Self { name, role, base: infra.postgres.trim_end_matches('/').to_owned() }
    }

    pub(crate) fn url(&self) -> String {
        self.url_as(&self.role)
    }

    pub(crate) fn owner_url(&self) -> String {
        self.url_as(&format!("{}_owner", self.role))
    }

    /// The superuser's way in, for tests that look behind the curtain.
    pub(crate) fn superuser_url(&self) -> String {
        format!("{}/{}", self.base, self.name)
    }

    fn url_as(&self, role: &str) -> String {
        let host = self.base.rsplit_once('@').map_or(self.base.as_str(), |(_, host)| host);
        let host = host.trim_start_matches("postgres://").trim_start_matches("postgresql://");
        format!("postgres://{role}:{role}@{host}/{}", self.name)
    }
}

/// Makes the databases anew, with their roles.
pub(crate) async fn make_databases(infra: &Infra, databases: &[Database]) -> anyhow::Result<()> {
    let mut conn = superuser(infra).await?;
    for Database { name, role, .. } in databases {
        for role in [role.clone(), format!("{role}_owner")] {
            // Roles belong to the server, and another stack may make them at this moment.
            let make = format!("create role {role} login password '{role}'");
            run(&mut conn, &make).await.or_else(exists_already)?;
        }
        drop_database(&mut conn, name).await?;
        run(&mut conn, &format!(r#"create database "{name}" owner {role}_owner"#)).await?;
    }
    Ok(())
}

pub(crate) async fn drop_databases(infra: &Infra, databases: &[Database]) -> anyhow::Result<()> {
    let mut conn = superuser(infra).await?;
    for database in databases {
        drop_database(&mut conn, &database.name).await?;
    }
    Ok(())
}

async fn superuser(infra: &Infra) -> anyhow::Result<PgConnection> {
    let url = format!("{}/postgres", infra.postgres.trim_end_matches('/'));
    PgConnection::connect(&url).await.with_context(|| format!("connecting to {}", infra.postgres))
}

async fn drop_database(conn: &mut PgConnection, name: &str) -> anyhow::Result<()> {
    run(conn, &format!(r#"drop database if exists "{name}" with (force)"#)).await
}

async fn run(conn: &mut PgConnection, statement: &str) -> anyhow::Result<()> {
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(conn).await;
    done.map(drop).with_context(|| statement.to_owned())
}

fn exists_already(error: anyhow::Error) -> anyhow::Result<()> {
    let code = error.downcast_ref::<sqlx::Error>();
    let code = code.and_then(|e| e.as_database_error()).and_then(|e| e.code());
    match code.as_deref() {
        Some("42710" | "23505") => Ok(()),
        _ => Err(error),
    }
}

/// A stack's place on the broker: a vhost of its own where there is a management API, else a
/// prefix.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) amqp_url: String,
    pub(crate) prefix: String,
}

impl Place {
    pub(crate) fn of(infra: &Infra, stack: &str) -> Self {
        match &infra.rabbitmq_api {
            Some(_) => {
                let server = infra.amqp.rsplit_once('/').map_or(infra.amqp.as_str(), |(s, _)| s);
                Self { amqp_url: format!("{server}/{stack}"), prefix: String::new() }
            }
            None => Self { amqp_url: infra.amqp.clone(), prefix: format!("{stack}.") },
        }
    }
}

/// Makes the vhost anew: nothing of an earlier stack of this name is in it.
pub(crate) async fn make_vhost(infra: &Infra, stack: &str) -> anyhow::Result<()> {
    let Some(api) = &infra.rabbitmq_api else { return Ok(()) };
    drop_vhost(infra, stack).await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let user = user_of(api);
    http.put(format!("{api}/api/vhosts/{stack}")).send().await?.error_for_status()?;
    let all = serde_json::json!({"configure": ".*", "write": ".*", "read": ".*"});
    let permissions = format!("{api}/api/permissions/{stack}/{user}");
    http.put(permissions).json(&all).send().await?.error_for_status()?;
    Ok(())
}

pub(crate) async fn drop_vhost(infra: &Infra, stack: &str) -> anyhow::Result<()> {
    let Some(api) = &infra.rabbitmq_api else { return Ok(()) };
    let http = reqwest::Client::builder().no_proxy().build()?;
    let reply = http.delete(format!("{api}/api/vhosts/{stack}")).send().await?;
    if reply.status() != http::StatusCode::NOT_FOUND {
        reply.error_for_status()?;
    }
    Ok(())
}

fn user_of(api: &str) -> &str {
    let rest = api.split_once("://").map_or(api, |(_, rest)| rest);
    let user = rest.split_once('@').map_or("guest", |(user, _)| user);
    user.split_once(':').map_or(user, |(user, _)| user)
}
