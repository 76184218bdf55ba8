//! JWTs through a real endpoint, over stores inside the process.

use embedded::{Credentials, Server, Storage, start_dynamodb, start_s3};
use fulcrum_core::auth::{ApiKey, Scope, Secret};
use fulcrum_core::config::Endpoints;
use fulcrum_core::http::answer;
use lambda_http::http::{Request, header};
use lambda_http::{Body, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use super::signer::Signer;
use super::stage::Stage;

async fn stage(signer: &Signer) -> (Stage, [Server; 2]) {
    let pair = Credentials { access_key_id: "local".into(), secret_access_key: "secret".into() };
    let dynamodb = start_dynamodb(&Storage::Ephemeral, 0, &pair).await.unwrap();
    let s3 = start_s3(&Storage::Ephemeral, 0, &pair, None).await.unwrap();
    let endpoints = Endpoints { dynamodb: Some(dynamodb.url().into()), s3: Some(s3.url().into()) };
    let stage = Stage::over(&endpoints, &[signer], |_| {}).await;
    stage.app.table.create_if_missing().await.unwrap();
    stage.app.bucket.create_if_missing().await.unwrap();
    (stage, [dynamodb, s3])
}

/// `GET /api/v2/models` with a token.
async fn list(stage: &Stage, token: &str) -> (Response<Body>, Value) {
    let request = Request::builder().uri("/api/v2/models").header(header::AUTHORIZATION, format!("Bearer {token}"));
    let response = answer(&stage.app, &list_models::handle, request.body(Body::Empty).unwrap()).await;
    let body = serde_json::from_slice(response.body().as_ref()).unwrap();
    (response, body)
}

async fn key(stage: &Stage, organization: &str) -> String {
    let secret = Secret::generate().unwrap();
    let key = ApiKey {
        id: Uuid::new_v4(),
        hash: secret.hash(),
        organization_id: organization.to_owned(),
        name: "test".to_owned(),
        scopes: Scope::ALL.to_vec(),
        created_at: stage.now(),
        revoked_at: None,
    };
    stage.app.table.create_key(&key).await.unwrap();
    secret.expose().to_owned()
}

#[tokio::test]
async fn a_tenant_sees_its_own_models_by_jwt_as_by_key() {
    let signer = Signer::rsa("rsa");
    let (stage, _servers) = stage(&signer).await;
    let organizations = ["org_a", "org_b", "org_c"];
    for (organization, models) in organizations.iter().zip([2, 1, 0]) {
        for _ in 0..models {
            let new = json!({"model_type": "mab", "training_data_config": {
                "design_factors": [{"name": "headline", "dtype": "str", "levels": ["A", "B"]}],
                "reward": {"name": "signup", "type": "bool"},
                "attribution": {"type": "last_touch", "conversion_window_hours": 24},
            }});
            stage.app.create_model(organization, serde_json::from_value(new).unwrap()).await.unwrap();
        }
    }
    let mut seen = Vec::new();
    for (organization, expected) in organizations.iter().zip([2, 1, 0]) {
        let (response, by_jwt) = list(&stage, &stage.token_with(&signer, &json!({"org_id": organization}))).await;
        assert_eq!(response.status(), 200, "{by_jwt}");
        assert_eq!(by_jwt["meta"]["organization_id"], *organization);
        let (_, by_key) = list(&stage, &key(&stage, organization).await).await;
        assert_eq!(by_jwt["models"], by_key["models"]);
        let models = by_jwt["models"].as_array().unwrap();
        assert_eq!(models.len(), expected, "{organization}");
        seen.extend(models.iter().map(|model| model["id"].as_str().unwrap().to_owned()));
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn refusals_have_the_envelope() {
    let signer = Signer::ed("ed");
    let (stage, _servers) = stage(&signer).await;
    let (response, body) = list(&stage, &stage.token_with(&signer, &json!({"exp": 0}))).await;
    assert_eq!((response.status().as_u16(), &body["error"]["code"]), (401, &json!("unauthorized")));
    assert_eq!(body["error"]["message"], "the token has expired");
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    assert!(body["meta"]["request_id"].as_str().unwrap().starts_with("req_"));

    let (response, body) = list(&stage, &stage.token_with(&signer, &json!({"scope": "models:write"}))).await;
    assert_eq!((response.status().as_u16(), &body["error"]["code"]), (403, &json!("forbidden")));
    assert!(body["error"]["message"].as_str().unwrap().contains("models:read"), "{body}");

    stage.issuer.change(|script| script.down = true);
    stage.wait(60);
    let (response, body) = list(&stage, &stage.token(&Signer::ed("new"))).await;
    assert_eq!((response.status().as_u16(), &body["error"]["code"]), (503, &json!("unavailable")));
    assert_eq!(response.headers()[header::RETRY_AFTER], "60");
    assert!(!body.to_string().contains("127.0.0.1"), "{body}");
}
