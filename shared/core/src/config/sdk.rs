//! The AWS SDK's configuration: its HTTP client and its timeouts.

use std::pin::Pin;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// How long a client waits for the stores, uploads aside: those take what their bytes take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection.
    pub connect: Duration,
    /// For the answer to one attempt of a call. The content of an object may take longer.
    pub attempt: Duration,
    /// For a call with all its attempts.
    pub call: Duration,
}

impl Timeouts {
    /// A function's, which is to say itself that a store is away before the platform ends it: at 25 s, most of them.
    pub const FUNCTION: Self =
        Self { connect: Duration::from_secs(2), attempt: Duration::from_secs(5), call: Duration::from_secs(15) };
    /// A command's, which nobody ends and whose line may be slow.
    pub const COMMAND: Self =
        Self { connect: Duration::from_secs(5), attempt: Duration::from_secs(20), call: Duration::from_mins(1) };

    /// As the SDK has it.
    #[must_use]
    pub fn timeout_config(self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.call)
            .build()
    }
}

/// The HTTP client of all clients.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// The SDK's configuration from the environment, with our HTTP client and timeouts. Boxed here, so that the providers of
/// credentials are not compiled with every function.
#[must_use]
pub fn sdk_config(timeouts: Timeouts) -> Pin<Box<dyn Future<Output = SdkConfig> + Send>> {
    let loader = aws_config::defaults(BehaviorVersion::latest());
    Box::pin(loader.http_client(http_client()).timeout_config(timeouts.timeout_config()).load())
}
