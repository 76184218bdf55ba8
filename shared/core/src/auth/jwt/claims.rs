//! What a token's claims must say (RFC 7519), once its signature is known to be good.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::settings::IssuerSettings;
use crate::auth::organization::is_organization_id;
use crate::domain::{Actor, Scope};
use crate::echo::cut;

/// How far the issuer's clock may be from ours, in seconds.
const LEEWAY: f64 = 60.0;

/// Whom a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::auth) struct Bearer {
    pub(in crate::auth) organization_id: String,
    pub(in crate::auth) scopes: Vec<Scope>,
    pub(in crate::auth) actor: Actor,
}

/// Checks the claims of a token at a moment.
pub(super) fn check(
    claims: &Map<String, Value>,
    settings: &IssuerSettings,
    now: DateTime<Utc>,
) -> Result<Bearer, Refusal> {
    if claims.get("iss").and_then(Value::as_str) != Some(&settings.issuer) {
        return Err(Refusal::Issuer { expected: settings.issuer.clone() });
    }
    let now = seconds(now);
    let expires = time(claims, "exp")?.ok_or(Refusal::Claim { name: "exp", expected: NUMBER })?;
    if now >= expires + LEEWAY {
        return Err(Refusal::Expired);
    }
    if time(claims, "nbf")?.is_some_and(|begins| now < begins - LEEWAY) {
        return Err(Refusal::NotYet);
    }
    audience(claims, &settings.audiences)?;
    let actor = Actor::Token { subject: subject(claims) };
    Ok(Bearer { organization_id: organization(claims)?, scopes: scopes(claims)?, actor })
}

const NUMBER: &str = "a number of seconds since 1970";

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 stay far below 2^53")]
fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1e3
}

/// A `NumericDate`, which may have a fraction.
fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<f64>, Refusal> {
    let number = |value: &Value| value.as_f64().ok_or(Refusal::Claim { name, expected: NUMBER });
    claims.get(name).map(number).transpose()
}

fn audience(claims: &Map<String, Value>, accepted: &[String]) -> Result<(), Refusal> {
    let good = |name: &Value| name.as_str().is_some_and(|name| accepted.iter().any(|ours| ours == name));
    let named = match claims.get("aud") {
        Some(Value::Array(names)) => names.iter().any(good),
        Some(name) => good(name),
        None => false,
    };
    if accepted.is_empty() || named { Ok(()) } else { Err(Refusal::Audience { expected: accepted.join(" or ") }) }
}

fn organization(claims: &Map<String, Value>) -> Result<String, Refusal> {
    const EXPECTED: &str = "1 to 128 ASCII letters, digits and _ - .";
    let within = claims.get("o").and_then(|o| o.get("id"));
    let (name, id) = match (claims.get("org_id"), within) {
        (None | Some(Value::Null), None | Some(Value::Null)) => return Err(Refusal::NoOrganization),
        (None | Some(Value::Null), Some(id)) => ("o.id", id),
        (Some(id), _) => ("org_id", id),
    };
    let id = id.as_str().filter(|id| is_organization_id(id));
    id.map(str::to_owned).ok_or(Refusal::Claim { name, expected: EXPECTED })
}

/// Characters of a subject: OpenID Connect allows no more.
const MOST_SUBJECT: usize = 255;

/// Who the token says it speaks for. Nothing is decided by it.
fn subject(claims: &Map<String, Value>) -> Option<String> {
    claims.get("sub").and_then(Value::as_str).map(|subject| cut(subject, MOST_SUBJECT).into_owned())
}

/// Those of our scopes that the token lists; all of them where it has none of the claims that list scopes.
fn scopes(claims: &Map<String, Value>) -> Result<Vec<Scope>, Refusal> {
    let mut listed: Option<Vec<Scope>> = None;
    for name in ["scope", "scp", "permissions"] {
        let Some(value) = claims.get(name) else { continue };
        let names = match value {
            Value::String(names) => Some(names.split_ascii_whitespace().collect()),
            Value::Array(names) => names.iter().map(Value::as_str).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let names = names.ok_or(Refusal::Claim { name, expected: "a string or a list of strings" })?;
        listed.get_or_insert_default().extend(names.into_iter().filter_map(Scope::parse));
    }
    Ok(listed.unwrap_or_else(|| Scope::ALL.to_vec()))
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone as _};
    use serde_json::json;

    use super::*;

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 1, 15, 10, 30, 0).unwrap()
    }

    fn settings(audiences: &[&str]) -> IssuerSettings {
        let audiences = audiences.iter().map(|&name| name.to_owned()).collect();
        IssuerSettings { issuer: "https://issuer.example".to_owned(), audiences, jwks_url: None }
    }

    /// Good claims with some changed; null takes one away.
    fn claims(changes: &Value) -> Map<String, Value> {
        let mut claims = json!({"iss": "https://issuer.example", "exp": now().timestamp() + 300, "org_id": "org_a"});
        let claims = claims.as_object_mut().unwrap();
        claims.extend(changes.as_object().unwrap().clone());
        claims.retain(|_, value| !value.is_null());
        claims.clone()
    }

    fn checked(changes: &Value) -> Result<Bearer, Refusal> {
        check(&claims(changes), &settings(&[]), now())
    }

    #[test]
    fn exp_is_needed_and_has_60_s_of_leeway() {
        let at = |millis: i64| {
            let claims = claims(&json!({"exp": now().timestamp()}));
            check(&claims, &settings(&[]), now() + TimeDelta::milliseconds(millis))
        };
        assert!(at(-1).is_ok() && at(0).is_ok() && at(59_999).is_ok());
        assert_eq!(at(60_000), Err(Refusal::Expired));
        assert_eq!(at(1_000_000), Err(Refusal::Expired));
        let no_number = Refusal::Claim { name: "exp", expected: NUMBER };
        for bad in [json!(null), json!("2999"), json!(true), json!([1])] {
            assert_eq!(checked(&json!({"exp": bad})), Err(no_number.clone()), "{bad}");
        }
        assert_eq!(checked(&json!({"exp": -1e300})), Err(Refusal::Expired));
        assert_eq!(checked(&json!({"exp": 0})), Err(Refusal::Expired));
        assert!(checked(&json!({"exp": 1e300})).is_ok());
    }

    #[test]
    fn fractions_of_seconds_count() {
        let exp = |exp: f64| checked(&json!({"exp": exp}));
        assert!(exp(seconds(now()) - 59.5).is_ok());
        assert_eq!(exp(seconds(now()) - 60.5), Err(Refusal::Expired));
    }

    #[test]
    fn nbf_has_60_s_of_leeway_where_it_is() {
        let at = |millis: i64| {
            let claims = claims(&json!({"nbf": now().timestamp()}));
            check(&claims, &settings(&[]), now() + TimeDelta::milliseconds(millis))
        };
        assert!(at(0).is_ok() && at(-60_000).is_ok());
        assert_eq!(at(-60_001), Err(Refusal::NotYet));
        assert_eq!(checked(&json!({"nbf": "soon"})), Err(Refusal::Claim { name: "nbf", expected: NUMBER }));
    }

    #[test]
    fn iss_is_exact() {
        for bad in [
            json!(null),
            json!("https://issuer.example/"),
            json!("https://issuer.example.evil"),
            json!("HTTPS://issuer.example"),
            json!(["https://issuer.example"]),
        ] {
            assert!(matches!(checked(&json!({"iss": bad})), Err(Refusal::Issuer { .. })), "{bad}");
        }
    }

    #[test]
    fn aud_names_one_of_ours_where_some_are_configured() {
        let aud = |aud: &Value| check(&claims(&json!({"aud": aud})), &settings(&["a", "b"]), now());
        for good in [json!("a"), json!("b"), json!(["x", "b"])] {
            assert!(aud(&good).is_ok(), "{good}");
        }
        for bad in [json!(null), json!("x"), json!([]), json!(["x"]), json!("a b"), json!({"a": 1}), json!([["a"]])] {
            assert_eq!(aud(&bad), Err(Refusal::Audience { expected: "a or b".into() }), "{bad}");
        }
        assert!(checked(&json!({"aud": "x"})).is_ok());
    }

    #[test]
    fn the_organization_is_org_id_or_o_id() {
        let organization = |changes: Value| checked(&changes).map(|bearer| bearer.organization_id);
        assert_eq!(organization(json!({})), Ok("org_a".into()));
        assert_eq!(organization(json!({"org_id": null, "o": {"id": "org_b", "rol": "admin"}})), Ok("org_b".into()));
        assert_eq!(organization(json!({"org_id": "org_a", "o": {"id": "org_b"}})), Ok("org_a".into()));
        for bad in [json!({"org_id": null}), json!({"org_id": null, "o": {}}), json!({"org_id": null, "o": "org_b"})] {
            assert_eq!(organization(bad.clone()), Err(Refusal::NoOrganization), "{bad}");
        }
        for bad in
            [json!(""), json!("a#b"), json!("a/b"), json!(".."), json!(7), json!(["org_a"]), json!("x".repeat(129))]
        {
            let found = organization(json!({"org_id": bad, "o": {"id": "org_b"}}));
            assert!(matches!(found, Err(Refusal::Claim { name: "org_id", .. })), "{bad}");
        }
    }

    #[test]
    fn the_subject_is_who_acts() {
        let actor = |sub: Value| checked(&json!({"sub": sub})).unwrap().actor;
        let token = |subject: Option<&str>| Actor::Token { subject: subject.map(str::to_owned) };
        assert_eq!(actor(json!("user_a")), token(Some("user_a")));
        assert_eq!(actor(json!(null)), token(None));
        assert_eq!(actor(json!(7)), token(None));
        let Actor::Token { subject: Some(long) } = actor(json!("x".repeat(1_000))) else { panic!("no subject") };
        assert!(long.chars().count() <= 300, "{long}");
    }

    #[test]
    fn scopes_are_those_listed_or_all() {
        let scopes = |changes: Value| checked(&changes).map(|bearer| bearer.scopes);
        let (read, write) = (Scope::ModelsRead, Scope::ModelsWrite);
        assert_eq!(scopes(json!({})), Ok(Scope::ALL.to_vec()));
        assert_eq!(scopes(json!({"scope": "openid models:read"})), Ok(vec![read]));
        assert_eq!(scopes(json!({"scp": ["models:write", "profile"]})), Ok(vec![write]));
        assert_eq!(scopes(json!({"scp": "models:read models:write"})), Ok(vec![read, write]));
        assert_eq!(scopes(json!({"scope": "openid", "permissions": ["models:read"]})), Ok(vec![read]));
        for none in [json!({"scope": ""}), json!({"scope": "openid"}), json!({"permissions": []})] {
            assert_eq!(scopes(none.clone()), Ok(vec![]), "{none}");
        }
        for bad in [json!({"scope": 7}), json!({"scp": [1]}), json!({"permissions": {"models:read": true}})] {
            assert!(matches!(scopes(bad.clone()), Err(Refusal::Claim { .. })), "{bad}");
        }
    }

    #[test]
    fn null_is_not_the_same_as_no_list_of_scopes() {
        let mut claims = claims(&json!({}));
        claims.insert("scope".into(), Value::Null);
        assert!(matches!(check(&claims, &settings(&[]), now()), Err(Refusal::Claim { name: "scope", .. })));
    }
}
