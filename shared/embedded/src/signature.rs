//! Signatures of version 4 in the header `Authorization`, held against the one key pair that there is.
//!
//! A request is signed again, by the code that the AWS SDK signs with, and the two signatures are compared.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials as Identity;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use chrono::NaiveDateTime;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use subtle::ConstantTimeEq as _;

use crate::credentials::Credentials;

/// How far a client's clock may be from this machine's.
const SKEW: Duration = Duration::from_mins(15);
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: &str = "x-amz-date";

/// Why a request is not taken for one of the key pair's owner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsigned {
    #[error("Request is missing Authentication Token")]
    Missing,
    #[error("Authorization header is not a complete signature of version 4: {0}.")]
    Incomplete(&'static str),
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    #[error("Signature expired: {0} is more than 15 minutes from the time of this machine.")]
    Skewed(String),
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."
    )]
    Mismatch,
}

/// What a request says of its signature: all that can be checked before its body is read.
#[derive(Debug)]
pub(crate) struct Claim {
    region: String,
    service: String,
    signed_headers: Vec<String>,
    signature: String,
    time: SystemTime,
}

impl Claim {
    /// Reads the headers, and checks the key's id and the time.
    pub(crate) fn read(headers: &HeaderMap, pair: &Credentials, now: SystemTime) -> Result<Self, Unsigned> {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let (Some(authorization), None) = (given.next(), given.next()) else { return Err(Unsigned::Missing) };
        let authorization = authorization.to_str().map_err(|_| Unsigned::Missing)?;
        let parts = authorization.strip_prefix(ALGORITHM).ok_or(Unsigned::Missing)?;
        let part = |name: &str, missing| {
            let mut parts = parts.split([',', ' ']);
            parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('=')).ok_or(Unsigned::Incomplete(missing))
        };
        let credential = part("Credential", "it has no Credential")?;
        let mut scope = credential.rsplitn(5, '/');
        let (Some("aws4_request"), Some(service), Some(region), Some(day), Some(id)) =
            (scope.next(), scope.next(), scope.next(), scope.next(), scope.next())
        else {
            return Err(Unsigned::Incomplete("Credential is not KEY/DATE/REGION/SERVICE/aws4_request"));
        };
        let signed = part("SignedHeaders", "it has no SignedHeaders")?;
        let signature = part("Signature", "it has no Signature")?;
        let date = headers.get(DATE).and_then(|date| date.to_str().ok()).unwrap_or_default();
        let time = NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ")
            .map_err(|_| Unsigned::Incomplete("X-Amz-Date is missing or not of the form 20260131T235959Z"))?;
        let time = SystemTime::from(time.and_utc());
        if !date.starts_with(day) || day.len() != 8 {
            return Err(Unsigned::Incomplete("the date in Credential is not that of X-Amz-Date"));
        }
        let away = now.duration_since(time).or_else(|_| time.duration_since(now)).unwrap_or(Duration::MAX);
        if away > SKEW {
            return Err(Unsigned::Skewed(date.to_owned()));
        }
        if !same(id, &pair.access_key_id) {
            return Err(Unsigned::UnknownKey);
        }
        let signed_headers: Vec<String> = signed.split(';').map(str::to_ascii_lowercase).collect();
        if !["host", DATE].iter().all(|name| signed_headers.iter().any(|signed| signed == name)) {
            return Err(Unsigned::Incomplete("SignedHeaders does not name host and x-amz-date"));
        }
        Ok(Self {
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers,
            signature: signature.to_owned(),
            time,
        })
    }

    /// Signs the request again and compares.
    pub(crate) fn verify(&self, request: &Parts, body: &[u8], pair: &Credentials) -> Result<(), Unsigned> {
        let mut headers = Vec::new();
        for name in self.signed_headers.iter().filter(|name| *name != DATE) {
            let values: Result<Vec<&str>, _> = request.headers.get_all(name).iter().map(|v| v.to_str()).collect();
            let values = values.map_err(|_| Unsigned::Mismatch)?;
            if values.is_empty() {
                return Err(Unsigned::Mismatch);
            }
            headers.extend(values.into_iter().map(|value| (name.as_str(), value)));
        }
        let identity = Identity::new(&pair.access_key_id, &pair.secret_access_key, None, None, "embedded").into();
        let mut settings = SigningSettings::default();
        settings.excluded_headers = None;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(self.time)
            .settings(settings)
            .build()
            .map_err(|_| Unsigned::Mismatch)?
            .into();
        // The signer takes whole URLs alone; the host that counts is the one in the header.
        let uri = format!("http://localhost{}", request.uri.path_and_query().map_or("/", |path| path.as_str()));
        let again = SignableRequest::new(request.method.as_str(), uri, headers.into_iter(), SignableBody::Bytes(body));
        let again = again.and_then(|again| sign(again, &params)).map_err(|_| Unsigned::Mismatch)?;
        if same(again.signature(), &self.signature) { Ok(()) } else { Err(Unsigned::Mismatch) }
    }
}

/// Compares in a time that tells nothing of where two texts differ.
fn same(one: &str, two: &str) -> bool {
    one.as_bytes().ct_eq(two.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "20260131T120000Z";

    fn read(id: &str, day: &str, date: &str, signed: &str) -> Result<Claim, Unsigned> {
        let pair = Credentials { access_key_id: "LOCALKEY".into(), secret_access_key: "secret".into() };
        let mut headers = HeaderMap::new();
        let authorization = format!(
            "{ALGORITHM} Credential={id}/{day}/us-east-1/dynamodb/aws4_request, SignedHeaders={signed}, Signature=00"
        );
        headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        headers.insert(DATE, date.parse().unwrap());
        let now = NaiveDateTime::parse_from_str(NOW, "%Y%m%dT%H%M%SZ").unwrap().and_utc();
        Claim::read(&headers, &pair, now.into())
    }

    #[test]
    fn a_request_is_as_old_as_its_signature() {
        let of = |date: &str| read("LOCALKEY", &date[..8], date, "host;x-amz-date").map(|_| ());
        for near in [NOW, "20260131T114500Z", "20260131T121500Z"] {
            assert_eq!(of(near), Ok(()), "{near}");
        }
        for far in ["20260131T114459Z", "20260131T121501Z", "20250131T120000Z", "99991231T000000Z"] {
            assert_eq!(of(far), Err(Unsigned::Skewed(far.to_owned())), "{far}");
        }
    }

    #[test]
    fn a_claim_is_whole_and_of_the_key_pair() {
        assert!(read("LOCALKEY", "20260131", NOW, "host;x-amz-date").is_ok());
        assert_eq!(read("LOCALKEZ", "20260131", NOW, "host;x-amz-date").unwrap_err(), Unsigned::UnknownKey);
        for (day, date, signed) in [
            ("20260130", NOW, "host;x-amz-date"),
            ("2026", NOW, "host;x-amz-date"),
            ("20260131", "2026-01-31", "host;x-amz-date"),
            ("20260131", NOW, "host"),
            ("20260131", NOW, "x-amz-date"),
            ("20260131", NOW, ""),
        ] {
            let refused = read("LOCALKEY", day, date, signed).unwrap_err();
            assert!(matches!(refused, Unsigned::Incomplete(_)), "{day} {date} {signed}: {refused}");
        }
        let pair = Credentials { access_key_id: "x".into(), secret_access_key: "y".into() };
        for other in ["", "Basic eDp5", "AWS x:y", "AWS4-ECDSA-P256-SHA256 Credential=x"] {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, other.parse().unwrap());
            assert_eq!(Claim::read(&headers, &pair, SystemTime::now()).unwrap_err(), Unsigned::Missing, "{other}");
        }
    }
}
