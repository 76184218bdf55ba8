//! `fulcrum keys`: API keys in the table.

use fulcrum_core::App;
use fulcrum_core::auth::{ApiKey, Scope};
use fulcrum_core::domain::rfc3339;
use fulcrum_core::store::StoreError;
use serde_json::{Value, json};

use super::parts::{facts, say_json};
use super::stores::{app, of_table};
use crate::args::{KeysCommand, OrganizationArgs};
use crate::error::CliError;
use crate::local::new_key;
use crate::screen::{Screen, Table, say};

pub(crate) async fn run(command: KeysCommand) -> Result<(), CliError> {
    match command {
        KeysCommand::Create { name, scope, table, organization } => {
            create(&app(&table, "").await, &organization, &name, scope).await.map_err(of_table(&table))
        }
        KeysCommand::List { table, organization } => {
            list(&app(&table, "").await, &organization).await.map_err(of_table(&table))
        }
        KeysCommand::Revoke { id, table, organization } => {
            revoke(&app(&table, "").await, &organization, &id.to_string()).await.map_err(of_table(&table))
        }
    }
}

async fn create(app: &App, args: &OrganizationArgs, name: &str, scopes: Vec<Scope>) -> Result<(), CliError> {
    let mut scopes = if scopes.is_empty() { Scope::ALL.to_vec() } else { scopes };
    scopes.sort_unstable();
    scopes.dedup();
    let (key, secret) = new_key(app, &args.organization, name, scopes).await?;
    if args.json {
        let mut json = shown(&key);
        json["secret"] = json!(secret.expose());
        say_json(&json);
        return Ok(());
    }
    let screen = Screen::stdout();
    let mut text = facts(
        screen,
        &[
            ("id", key.id.to_string()),
            ("organization", key.organization_id.clone()),
            ("name", key.name.clone()),
            ("scopes", scope_names(&key)),
            ("secret", secret.expose().to_owned()),
        ],
    );
    text.push_str("The secret is shown this once; nothing keeps it.\n");
    say(&text);
    Ok(())
}

async fn list(app: &App, args: &OrganizationArgs) -> Result<(), CliError> {
    let mut keys = app.table.keys(&args.organization).await?;
    keys.sort_by_key(|key| std::cmp::Reverse((key.created_at, key.id)));
    if args.json {
        say_json(&json!({"keys": keys.iter().map(shown).collect::<Vec<_>>()}));
        return Ok(());
    }
    let mut table = Table::new(&["id", "name", "scopes", "created", "revoked"]);
    for key in &keys {
        table.row(vec![
            key.id.to_string(),
            key.name.clone(),
            scope_names(key),
            rfc3339(key.created_at),
            key.revoked_at.map(rfc3339).unwrap_or_default(),
        ]);
    }
    say(&table.render(Screen::stdout()));
    Ok(())
}

async fn revoke(app: &App, args: &OrganizationArgs, id: &str) -> Result<(), CliError> {
    let keys = app.table.keys(&args.organization).await?;
    let Some(mut key) = keys.into_iter().find(|key| key.id.to_string() == id) else {
        return Err(CliError::NoSuchKey { id: id.to_owned(), organization: args.organization.clone() });
    };
    if key.revoked_at.is_none() {
        let now = app.clock.now();
        match app.table.revoke_key(&key, now).await {
            // Somebody else revoked it in between.
            Ok(()) | Err(StoreError::Condition { .. }) => key.revoked_at = Some(now),
            Err(other) => return Err(other.into()),
        }
    }
    if args.json {
        say_json(&shown(&key));
    } else {
        say(&format!("{id} is revoked."));
    }
    Ok(())
}

fn scope_names(key: &ApiKey) -> String {
    key.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

fn shown(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "organization_id": key.organization_id,
        "name": key.name,
        "scopes": key.scopes,
        "created_at": rfc3339(key.created_at),
        "revoked_at": key.revoked_at.map(rfc3339),
    })
}
