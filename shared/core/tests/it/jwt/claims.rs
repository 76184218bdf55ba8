//! Good tokens, and tokens whose claims are not.

use fulcrum_core::ApiError;
use fulcrum_core::auth::Scope;
use serde_json::json;

use super::signer::Signer;
use super::stage::{Stage, ask, caller};

#[tokio::test]
async fn each_algorithm_is_good() {
    let signers = Signer::all();
    let stage = Stage::new(&signers.each_ref()).await;
    for signer in &signers {
        assert_eq!(stage.ask(&stage.token(signer)).await.unwrap(), caller("org_a"), "{}", signer.id);
        let of_o = stage.token_with(signer, &json!({"org_id": null, "o": {"id": "org_b", "rol": "admin"}}));
        assert_eq!(stage.ask(&of_o).await.unwrap(), caller("org_b"), "{}", signer.id);
    }
    assert_eq!(stage.issuer.fetches(), 1);
}

#[tokio::test]
async fn the_keys_may_be_named_without_discovery() {
    let signer = Signer::ed("ed");
    let stage = Stage::with(&[&signer], |settings| settings.jwks_url = Some(format!("{}/keys", settings.issuer))).await;
    stage.issuer.change(|script| script.discovery = "not needed".to_owned());
    assert!(stage.ask(&stage.token(&signer)).await.is_ok());
}

#[tokio::test]
async fn a_token_expires_with_60_s_of_leeway() {
    let signer = Signer::ec("ec");
    let stage = Stage::new(&[&signer]).await;
    let token = stage.token_with(&signer, &json!({"exp": stage.now().timestamp() + 100}));
    assert!(stage.ask(&token).await.is_ok());
    stage.wait(100);
    assert!(stage.ask(&token).await.is_ok());
    stage.wait(59);
    assert!(stage.ask(&token).await.is_ok());
    stage.wait(1);
    assert_eq!(stage.refused(&token).await, "the token has expired");
    let never = stage.token_with(&signer, &json!({"exp": null}));
    assert!(stage.refused(&never).await.contains("exp"));
}

#[tokio::test]
async fn a_token_begins_with_60_s_of_leeway() {
    let signer = Signer::ec("ec");
    let stage = Stage::new(&[&signer]).await;
    let token = stage.token_with(&signer, &json!({"nbf": stage.now().timestamp() + 100}));
    assert_eq!(stage.refused(&token).await, "the token is not valid yet");
    stage.wait(39);
    assert_eq!(stage.refused(&token).await, "the token is not valid yet");
    stage.wait(1);
    assert!(stage.ask(&token).await.is_ok());
}

#[tokio::test]
async fn another_issuers_token_is_refused() {
    let signer = Signer::ec("ec");
    let stage = Stage::new(&[&signer]).await;
    for iss in [json!("https://issuer.example"), json!(format!("{}/", stage.issuer.url)), json!(null), json!(7)] {
        let message = stage.refused(&stage.token_with(&signer, &json!({"iss": iss}))).await;
        assert!(message.contains("iss") && !message.contains("issuer.example"), "{message}");
    }
}

#[tokio::test]
async fn the_audience_counts_where_one_is_configured() {
    let signer = Signer::ec("ec");
    let stage = Stage::with(&[&signer], |settings| settings.audiences = vec!["fulcrum".into(), "api".into()]).await;
    for aud in [json!("fulcrum"), json!("api"), json!(["elsewhere", "fulcrum"])] {
        assert!(stage.ask(&stage.token_with(&signer, &json!({"aud": aud}))).await.is_ok(), "{aud}");
    }
    for aud in [json!(null), json!("elsewhere"), json!([]), json!(["elsewhere"]), json!("fulcrum api")] {
        let message = stage.refused(&stage.token_with(&signer, &json!({"aud": aud}))).await;
        assert!(message.contains("aud") && !message.contains("elsewhere"), "{aud}: {message}");
    }
}

#[tokio::test]
async fn a_token_names_an_organization_of_the_right_form() {
    let signer = Signer::ec("ec");
    let stage = Stage::new(&[&signer]).await;
    let message = stage.refused(&stage.token_with(&signer, &json!({"org_id": null}))).await;
    assert!(message.contains("org_id"), "{message}");
    for id in ["", "org_a#MODEL", "org_a/../org_b", "..", "org a"] {
        let message = stage.refused(&stage.token_with(&signer, &json!({"org_id": id}))).await;
        assert!(message.contains("org_id"), "{id}: {message}");
    }
}

#[tokio::test]
async fn listed_scopes_are_the_only_ones() {
    let signer = Signer::ec("ec");
    let stage = Stage::new(&[&signer]).await;
    let may = async |changes: serde_json::Value, scope: Scope| match ask(
        &stage.app,
        &stage.token_with(&signer, &changes),
        scope,
    )
    .await
    {
        Ok(_) => true,
        Err(ApiError::Forbidden { scope: missing }) if missing == scope.as_str() => false,
        Err(other) => panic!("{other:?}"),
    };
    for scope in Scope::ALL {
        assert!(may(json!({}), scope).await);
        assert!(!may(json!({"scope": "openid profile"}), scope).await);
        assert!(!may(json!({"permissions": []}), scope).await);
    }
    for listed in
        [json!({"scope": "openid models:read"}), json!({"scp": ["models:read"]}), json!({"scp": "models:read"})]
    {
        assert!(may(listed.clone(), Scope::ModelsRead).await, "{listed}");
        assert!(!may(listed.clone(), Scope::ModelsWrite).await, "{listed}");
    }
    let both = json!({"scope": "openid", "permissions": ["models:read", "models:write"]});
    assert!(may(both.clone(), Scope::ModelsRead).await && may(both, Scope::ModelsWrite).await);
}

#[tokio::test]
async fn without_an_issuer_jwts_are_refused() {
    let signer = Signer::ec("ec");
    let mut stage = Stage::new(&[&signer]).await;
    stage.app.issuer = None;
    let message = stage.refused(&stage.token(&signer)).await;
    assert!(message.contains("API keys only"), "{message}");
    assert_eq!(stage.issuer.fetches(), 0);
}
