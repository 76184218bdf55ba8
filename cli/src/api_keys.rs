//! API keys, made and revoked without the API: nobody without a key could ask it for one.

use fulcrum_core::App;
use fulcrum_core::auth::{ApiKey, Scope, Secret};
use fulcrum_core::store::StoreError;
use uuid::Uuid;

use crate::error::CliError;

/// Makes a key; its secret is in the answer and nowhere else.
///
/// # Errors
/// [`CliError`] of storage or of the operating system's randomness.
pub async fn new_key(
    app: &App,
    organization: &str,
    name: &str,
    scopes: Vec<Scope>,
) -> Result<(ApiKey, Secret), CliError> {
    let secret = Secret::generate()?;
    let key = ApiKey {
        id: Uuid::new_v4(),
        hash: secret.hash(),
        organization_id: organization.to_owned(),
        name: name.to_owned(),
        scopes,
        created_at: app.clock.now(),
        revoked_at: None,
    };
    app.table.create_key(&key).await?;
    Ok((key, secret))
}

/// Revokes the key of a secret, where there is one that is not revoked.
pub(crate) async fn revoke_secret(app: &App, secret: &str) -> Result<(), CliError> {
    let Some(secret) = Secret::parse(secret) else { return Ok(()) };
    let Some(key) = app.table.key_by_hash(&secret.hash()).await? else { return Ok(()) };
    match app.table.revoke_key(&key, app.clock.now()).await {
        Ok(()) | Err(StoreError::Condition { .. }) => Ok(()),
        Err(other) => Err(other.into()),
    }
}
