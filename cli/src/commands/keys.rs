//! `fulcrum keys`: API keys in the table.

use fulcrum_core::App;
use fulcrum_core::auth::{ApiKey, Scope};
use fulcrum_core::domain::rfc3339;
use fulcrum_core::store::StoreError;
use serde_json::{Value, json};

use super::stores::{app, of_table};
use crate::answers::facts;
use crate::api_keys::new_key;
use crate::args::{KeysCommand, OrganizationArgs};
use crate::error::CliError;
use crate::screen::{Screen, Table, print_json, print_text};
use crate::terminal;

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
        print_json(&json);
        return Ok(());
    }
    let screen = Screen::stdout();
    let mut text = facts(
        screen,
        &[
            ("id", key.id.to_string()),
            ("organization", terminal::value(&key.organization_id).into_owned()),
            ("name", terminal::value(&key.name).into_owned()),
            ("scopes", scope_names(&key)),
            ("secret", secret.expose().to_owned()),
        ],
    );
    text.push_str("The secret is shown only once and stored nowhere.\n");
    print_text(&text);
    Ok(())
}

async fn list(app: &App, args: &OrganizationArgs) -> Result<(), CliError> {
    let mut keys = app.table.keys(&args.organization).await?;
    keys.sort_by_key(|key| std::cmp::Reverse((key.created_at, key.id)));
    if args.json {
        print_json(&json!({"keys": keys.iter().map(shown).collect::<Vec<_>>()}));
        return Ok(());
    }
    let mut table = Table::new(&["id", "name", "scopes", "created", "revoked"]);
    for key in &keys {
        table.row(vec![
            key.id.to_string(),
            terminal::value(&key.name).into_owned(),
            scope_names(key),
            rfc3339(key.created_at),
            key.revoked_at.map(rfc3339).unwrap_or_default(),
        ]);
    }
    print_text(&table.render(Screen::stdout()));
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
        print_json(&shown(&key));
    } else {
        print_text(&format!("Key {id} is revoked."));
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
