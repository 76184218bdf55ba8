//! When the issuer is asked for its keys, and what happens while it does not answer.

use std::time::Duration;

use fulcrum_core::ApiError;
use fulcrum_core::auth::Scope;
use tokio::task::JoinSet;

use super::signer::Signer;
use super::stage::{Stage, ask, caller};

const UNKNOWN: &str = "the token's key is not one of the issuer's";

/// For how many seconds a token cannot be checked.
async fn away(stage: &Stage, token: &str) -> u64 {
    match stage.ask(token).await {
        Err(ApiError::IssuerUnavailable { retry_after, cause }) => {
            assert!(!cause.is_empty());
            retry_after.as_secs()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_unknown_key_is_looked_for_once_a_minute() {
    let (signer, stranger) = (Signer::ec("ec"), Signer::ec("stranger"));
    let stage = Stage::new(&[&signer]).await;
    stage.ask(&stage.token(&signer)).await.unwrap();
    assert_eq!(stage.issuer.fetches(), 1);
    for minute in 1..4 {
        for _ in 0..20 {
            assert_eq!(stage.refused(&stage.token(&stranger)).await, UNKNOWN);
            assert_eq!(stage.issuer.fetches(), minute);
            stage.wait(2);
        }
        stage.wait(20);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_unknown_keys_at_once_are_one_fetch() {
    let (signer, stranger) = (Signer::ec("ec"), Signer::ec("stranger"));
    let stage = Stage::new(&[&signer]).await;
    stage.ask(&stage.token(&signer)).await.unwrap();
    stage.wait(60);
    stage.issuer.change(|script| script.delay = Duration::from_millis(100));
    let mut all = JoinSet::new();
    for _ in 0..1000 {
        let (app, token) = (stage.app.clone(), stage.token(&stranger));
        all.spawn(async move { ask(&app, &token, Scope::ModelsRead).await });
    }
    let answers = all.join_all().await;
    assert!(
        answers.iter().all(|answer| matches!(answer, Err(ApiError::Unauthorized { message }) if message == UNKNOWN))
    );
    assert_eq!((answers.len(), stage.issuer.fetches()), (1000, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_first_requests_are_one_fetch() {
    let signer = Signer::ec("ec");
    let stage = Stage::new(&[&signer]).await;
    stage.issuer.change(|script| script.delay = Duration::from_millis(100));
    let mut all = JoinSet::new();
    for _ in 0..1000 {
        let (app, token) = (stage.app.clone(), stage.token(&signer));
        all.spawn(async move { ask(&app, &token, Scope::ModelsRead).await });
    }
    assert!(all.join_all().await.into_iter().all(|answer| answer.unwrap() == caller("org_a")));
    assert_eq!(stage.issuer.fetches(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_after_an_hour_are_one_fetch() {
    let signer = Signer::ec("ec");
    let stage = Stage::new(&[&signer]).await;
    stage.ask(&stage.token(&signer)).await.unwrap();
    stage.wait(3600);
    let mut all = JoinSet::new();
    for _ in 0..1000 {
        let (app, token) = (stage.app.clone(), stage.token(&signer));
        all.spawn(async move { ask(&app, &token, Scope::ModelsRead).await });
    }
    assert!(all.join_all().await.into_iter().all(|answer| answer.unwrap() == caller("org_a")));
    assert_eq!(stage.issuer.fetches(), 2);
}

#[tokio::test]
async fn known_keys_do_not_wait_for_a_fetch() {
    let (signer, stranger) = (Signer::ec("ec"), Signer::ec("stranger"));
    let stage = Stage::new(&[&signer]).await;
    stage.ask(&stage.token(&signer)).await.unwrap();
    stage.wait(60);
    stage.issuer.change(|script| script.delay = Duration::from_millis(1500));
    let (app, token) = (stage.app.clone(), stage.token(&stranger));
    let slow = tokio::spawn(async move { ask(&app, &token, Scope::ModelsRead).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let good = stage.token(&signer);
    let answer = tokio::time::timeout(Duration::from_millis(700), stage.ask(&good)).await;
    assert!(answer.unwrap().is_ok());
    slow.abort();
}

#[tokio::test]
async fn who_goes_away_makes_no_room_for_another_fetch() {
    let (signer, stranger) = (Signer::ec("ec"), Signer::ec("stranger"));
    let stage = Stage::new(&[&signer]).await;
    stage.issuer.change(|script| script.delay = Duration::from_millis(100));
    for _ in 0..5 {
        let token = stage.token(&stranger);
        let gone = tokio::time::timeout(Duration::from_millis(20), stage.ask(&token)).await;
        assert!(gone.is_err());
    }
    assert!(stage.ask(&stage.token(&signer)).await.is_ok());
    assert_eq!(stage.refused(&stage.token(&stranger)).await, UNKNOWN);
    assert_eq!(stage.issuer.fetches(), 1);
}

#[tokio::test]
async fn a_new_key_is_found_and_an_old_one_ends() {
    let (old, new) = (Signer::rsa("old"), Signer::ec("new"));
    let stage = Stage::new(&[&old]).await;
    stage.ask(&stage.token(&old)).await.unwrap();
    stage.wait(60);
    stage.issuer.publish(&[old.jwk(), new.jwk()]);
    assert!(stage.ask(&stage.token(&new)).await.is_ok());
    assert!(stage.ask(&stage.token(&old)).await.is_ok());
    assert_eq!(stage.issuer.fetches(), 2);
    stage.issuer.publish(&[new.jwk()]);
    stage.wait(3599);
    assert!(stage.ask(&stage.token(&old)).await.is_ok());
    assert_eq!(stage.issuer.fetches(), 2);
    // After an hour the keys are looked at again.
    stage.wait(1);
    assert_eq!(stage.refused(&stage.token(&old)).await, UNKNOWN);
    assert!(stage.ask(&stage.token(&new)).await.is_ok());
    assert_eq!(stage.issuer.fetches(), 3);
}

#[tokio::test]
async fn the_same_name_may_get_another_key() {
    let (old, new) = (Signer::ec("key"), Signer::ec("key"));
    let stage = Stage::new(&[&old]).await;
    stage.ask(&stage.token(&old)).await.unwrap();
    stage.issuer.publish(&[new.jwk()]);
    assert!(stage.refused(&stage.token(&new)).await.contains("signature"));
    stage.wait(3600);
    assert!(stage.ask(&stage.token(&new)).await.is_ok());
    assert!(stage.refused(&stage.token(&old)).await.contains("signature"));
}

#[tokio::test]
async fn known_keys_go_on_while_the_issuer_is_away() {
    let (signer, stranger) = (Signer::ec("ec"), Signer::ec("stranger"));
    let stage = Stage::new(&[&signer]).await;
    stage.ask(&stage.token(&signer)).await.unwrap();
    stage.issuer.change(|script| script.down = true);
    assert_eq!(stage.refused(&stage.token(&stranger)).await, UNKNOWN);
    stage.wait(90);
    assert_eq!(away(&stage, &stage.token(&stranger)).await, 60);
    stage.wait(20);
    assert_eq!(away(&stage, &stage.token(&stranger)).await, 40);
    assert!(stage.ask(&stage.token(&signer)).await.is_ok());
    // Also long after they should have been looked at again; and not more than one try a minute.
    stage.wait(36_000);
    let before = stage.issuer.fetches();
    for _ in 0..10 {
        assert!(stage.ask(&stage.token(&signer)).await.is_ok());
    }
    assert_eq!(stage.issuer.fetches(), before + 1);
    stage.issuer.change(|script| script.down = false);
    stage.issuer.publish(&[signer.jwk(), stranger.jwk()]);
    stage.wait(60);
    assert!(stage.ask(&stage.token(&stranger)).await.is_ok());
}

#[tokio::test]
async fn a_new_process_tries_an_absent_issuer_every_5_s() {
    let signer = Signer::ec("ec");
    let stage = Stage::new(&[&signer]).await;
    stage.issuer.change(|script| script.down = true);
    assert_eq!(away(&stage, &stage.token(&signer)).await, 5);
    let tried = stage.issuer.fetches();
    stage.issuer.change(|script| script.down = false);
    stage.wait(4);
    assert_eq!(away(&stage, &stage.token(&signer)).await, 1);
    assert_eq!(stage.issuer.fetches(), tried);
    stage.wait(1);
    assert!(stage.ask(&stage.token(&signer)).await.is_ok());
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_stop_fetches() {
    let (signer, new) = (Signer::ec("ec"), Signer::ec("new"));
    let stage = Stage::new(&[&signer]).await;
    stage.ask(&stage.token(&signer)).await.unwrap();
    stage.issuer.publish(&[new.jwk()]);
    stage.wait(-86_400);
    assert!(stage.ask(&stage.token(&new)).await.is_ok());
}
