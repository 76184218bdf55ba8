//! JWT settings: which OIDC issuer's tokens are accepted, from the environment.

use url::{Host, Url};

use crate::config::ConfigError;

/// Which issuer's tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerSettings {
    /// What the claim `iss` has to be, exactly.
    pub issuer: String,
    /// What the claim `aud` has to name one of; not checked where empty.
    pub audiences: Vec<String>,
    /// Where the keys are; where the issuer's discovery document says so, if `None`.
    pub jwks_url: Option<String>,
}

const ISSUER: &str = "JWT_ISSUER";
const AUDIENCE: &str = "JWT_AUDIENCE";
const JWKS_URL: &str = "JWT_JWKS_URL";

impl IssuerSettings {
    /// As the variables `JWT_ISSUER`, `JWT_AUDIENCE` and `JWT_JWKS_URL` say; `None` without an issuer. An empty variable is as
    /// one that is not set.
    ///
    /// # Errors
    /// [`ConfigError`] for an audience or a URL of keys without an issuer, and for an audience that names nothing.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ConfigError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let (audience, jwks_url) = (set(AUDIENCE), set(JWKS_URL));
        let Some(issuer) = set(ISSUER) else {
            return if audience.is_some() || jwks_url.is_some() { Err(ConfigError::Missing(ISSUER)) } else { Ok(None) };
        };
        let names = |text: &str| text.split(',').map(str::trim).map(str::to_owned).collect::<Vec<_>>();
        let audiences = audience.as_deref().map(names).unwrap_or_default();
        if let Some(value) = audience.filter(|_| audiences.iter().any(String::is_empty)) {
            return Err(ConfigError::Invalid {
                name: AUDIENCE,
                value,
                expected: "a list of names with commas between",
            });
        }
        Ok(Some(Self { issuer, audiences, jwks_url }))
    }

    /// Where the keys are looked for.
    pub(super) fn source(&self) -> Result<Source, ConfigError> {
        let invalid = |name, value: &String, expected| ConfigError::Invalid { name, value: value.clone(), expected };
        let issuer = safe_url(&self.issuer).filter(|url| url.query().is_none() && url.fragment().is_none());
        issuer
            .ok_or_else(|| invalid(ISSUER, &self.issuer, "an https URL without query (http for this machine only)"))?;
        if let Some(url) = &self.jwks_url {
            let safe =
                safe_url(url).ok_or_else(|| invalid(JWKS_URL, url, "an https URL (http for this machine only)"))?;
            return Ok(Source::Keys(safe));
        }
        // OpenID Connect Discovery 1.0, section 4.1: a slash at the end goes before the path is added.
        let issuer = self.issuer.strip_suffix('/').unwrap_or(&self.issuer);
        let document = Url::parse(&format!("{issuer}/.well-known/openid-configuration"));
        let document = document.map_err(|_| invalid(ISSUER, &self.issuer, "a URL that a path can be added to"))?;
        Ok(Source::Discovery { document, issuer: self.issuer.clone() })
    }
}

/// Where an issuer's keys are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Where the discovery document says, which has to be the issuer's own.
    Discovery {
        /// The document.
        document: Url,
        /// The issuer.
        issuer: String,
    },
    /// There.
    Keys(Url),
}

/// A URL whose answer nobody on the way can change: https, or http that does not leave this machine.
pub(super) fn safe_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let here = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let safe = url.scheme() == "https" || (url.scheme() == "http" && here);
    (safe && url.username().is_empty() && url.password().is_none()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<IssuerSettings>, ConfigError> {
        IssuerSettings::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn source(variables: &[(&str, &str)]) -> Result<Source, ConfigError> {
        read(variables)?.unwrap().source()
    }

    #[test]
    fn nothing_set_is_no_issuer() {
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&[(ISSUER, ""), (AUDIENCE, ""), (JWKS_URL, "")]).unwrap(), None);
    }

    #[test]
    fn the_variables_are_read() {
        let all = read(&[(ISSUER, "https://a"), (AUDIENCE, "x, y"), (JWKS_URL, "https://a/keys")]).unwrap().unwrap();
        assert_eq!(all.issuer, "https://a");
        assert_eq!(all.audiences, ["x", "y"]);
        assert_eq!(all.jwks_url.as_deref(), Some("https://a/keys"));
    }

    #[test]
    fn half_a_configuration_names_what_is_missing() {
        for (name, value) in [(AUDIENCE, "x"), (JWKS_URL, "https://a/keys")] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(ISSUER), "{error}");
        }
        let error = read(&[(ISSUER, "https://a"), (AUDIENCE, "x,,y")]).unwrap_err().to_string();
        assert!(error.contains(AUDIENCE) && error.contains("x,,y"), "{error}");
    }

    #[test]
    fn the_discovery_document_is_below_the_issuer() {
        for (issuer, expected) in [
            ("https://a.example", "https://a.example/.well-known/openid-configuration"),
            ("https://a.example/", "https://a.example/.well-known/openid-configuration"),
            ("https://a.example/t/1", "https://a.example/t/1/.well-known/openid-configuration"),
            ("http://127.0.0.1:9", "http://127.0.0.1:9/.well-known/openid-configuration"),
        ] {
            let Source::Discovery { document, issuer: exact } = source(&[(ISSUER, issuer)]).unwrap() else { panic!() };
            assert_eq!((document.as_str(), exact.as_str()), (expected, issuer));
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for good in
            ["https://a.example", "http://localhost:1", "http://127.0.0.1", "http://127.1.2.3:9", "http://[::1]:9"]
        {
            assert!(source(&[(ISSUER, good)]).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example",
            "http://10.0.0.1",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "http://127.0.0.1@evil.example",
            "https://user:password@a.example",
            "https://a.example?tenant=1",
            "https://a.example#x",
            "ftp://127.0.0.1",
            "file:///etc/keys",
            "a.example",
            "clerk",
        ] {
            let error = source(&[(ISSUER, bad)]).unwrap_err().to_string();
            assert!(error.contains(ISSUER), "{bad}: {error}");
        }
        let error = source(&[(ISSUER, "https://a.example"), (JWKS_URL, "http://a.example")]).unwrap_err().to_string();
        assert!(error.contains(JWKS_URL), "{error}");
        assert!(source(&[(ISSUER, "https://a.example"), (JWKS_URL, "https://a.example/keys?p=1")]).is_ok());
    }
}
