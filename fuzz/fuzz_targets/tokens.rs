//! What comes with a request in place of a good token, and what an issuer publishes in place of good keys: the three lines of an
//! input are the issuer's document, the token, and claims as if one of its keys had signed them.
#![no_main]

use fulcrum_core::auth::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(3, |&byte| byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (document, token, claims) = (line(), line(), line());
    fuzzing::key(token);
    fuzzing::token(document, token);
    fuzzing::claims(claims);
});
