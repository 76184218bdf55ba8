//! A proxy between the AWS SDK and the embedded stores, which harms the storage calls that it is told to.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use fulcrum_core::config::Endpoints;
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Sleep, sleep};

/// What happens to a storage call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The store refuses it: too many calls.
    Throttled,
    /// The store answers with status 500 and does nothing.
    Error500,
    /// The connection is gone before the call reaches the store.
    ResetBefore,
    /// The connection is gone when the store has done what was asked.
    ResetAfter,
    /// The call never reaches the store, and the connection stays.
    TimedOutBefore,
    /// The store does what was asked, its answer never comes, and the connection stays.
    TimedOutAfter,
    /// The store does what was asked, and half of its answer comes.
    Truncated,
    /// The process ends before the call reaches the store.
    DeathBefore,
    /// The process ends when the store has done what was asked.
    DeathAfter,
    /// A write of `DynamoDB` meets another one to the same item, and does nothing.
    Conflicted,
    /// The store does what was asked, and its answer waits until somebody has looked at what is in the stores.
    Paused,
}

impl Fault {
    /// Those that any call may meet.
    pub const OF_EVERY_CALL: [Self; 9] = [
        Self::Throttled,
        Self::Error500,
        Self::ResetBefore,
        Self::ResetAfter,
        Self::TimedOutBefore,
        Self::TimedOutAfter,
        Self::Truncated,
        Self::DeathBefore,
        Self::DeathAfter,
    ];

    pub fn is_death(self) -> bool {
        matches!(self, Self::DeathBefore | Self::DeathAfter)
    }

    /// Whether the store does what was asked.
    fn is_applied(self) -> bool {
        matches!(self, Self::ResetAfter | Self::TimedOutAfter | Self::Truncated | Self::DeathAfter | Self::Paused)
    }
}

type ToStores = Client<HttpConnector, Full<Bytes>>;

/// Where the stores are, and connections to them.
#[derive(Clone)]
pub struct Upstream {
    http: ToStores,
    dynamodb: String,
    s3: String,
}

impl Upstream {
    pub fn new(dynamodb: &str, s3: &str) -> Self {
        let http = Client::builder(TokioExecutor::new()).build_http();
        Self { http, dynamodb: dynamodb.to_owned(), s3: s3.to_owned() }
    }
}

/// What happens to a call of that number, from 0, and name.
pub type Rule = Box<dyn Fn(usize, &str) -> Option<Fault> + Send + Sync>;

struct State {
    upstream: Upstream,
    rule: Rule,
    calls: AtomicUsize,
    struck: Mutex<Option<String>>,
    dead: AtomicBool,
    died: Notify,
    paused: Notify,
    resumed: Notify,
}

/// A running proxy; it ends when this value is dropped.
pub struct Proxy {
    url: String,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// Starts one by whose rule faults happen.
    pub async fn start(upstream: Upstream, rule: Rule) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            upstream,
            rule,
            calls: AtomicUsize::new(0),
            struck: Mutex::default(),
            dead: AtomicBool::new(false),
            died: Notify::new(),
            paused: Notify::new(),
            resumed: Notify::new(),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { url, state, task }
    }

    /// Itself in the place of both stores.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints { dynamodb: Some(self.url.clone()), s3: Some(self.url.clone()) }
    }

    /// How many calls came.
    pub fn calls(&self) -> usize {
        self.state.calls.load(Ordering::Relaxed)
    }

    /// The last call that a fault happened to.
    pub fn struck(&self) -> Option<String> {
        self.state.struck.lock().unwrap().clone()
    }

    /// Ends when the process is to die. No call gets through any more.
    pub async fn died(&self) {
        self.state.died.notified().await;
    }

    /// Ends when an answer waits for [`Proxy::resume`].
    pub async fn paused(&self) {
        self.state.paused.notified().await;
    }

    pub fn resume(&self) {
        self.state.resumed.notify_one();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    // Dropped, the set ends its connections.
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let _ = stream.set_nodelay(true);
        connections.spawn(serve(stream, Arc::clone(&state)));
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request| pass(Arc::clone(&state), request));
    // A connection that ends early is what this is for.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn gone() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

type Answer = Response<Either<Full<Bytes>, Half>>;

/// Passes a call on, or has its fault happen. An error ends the connection.
async fn pass(state: Arc<State>, request: Request<Incoming>) -> io::Result<Answer> {
    if state.dead.load(Ordering::SeqCst) {
        return Err(gone());
    }
    let number = state.calls.fetch_add(1, Ordering::SeqCst);
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).map(str::to_owned);
    let method = request.method().clone();
    let name = target.as_deref().and_then(|target| target.rsplit('.').next()).map(str::to_owned);
    let name = name.unwrap_or_else(|| format!("{method} {}", request.uri()));
    let Some(fault) = (state.rule)(number, &name) else {
        return Ok(forward(&state.upstream, request, target.as_deref()).await?.map(Either::Left));
    };
    *state.struck.lock().unwrap() = Some(name);
    if fault.is_applied() {
        let answer = forward(&state.upstream, request, target.as_deref()).await?;
        match fault {
            Fault::Truncated => return cut(answer).await,
            Fault::Paused => {
                state.paused.notify_one();
                state.resumed.notified().await;
                return Ok(answer.map(Either::Left));
            }
            _ => return state.end(fault).await,
        }
    }
    match fault {
        Fault::Throttled | Fault::Error500 => Ok(refusal(fault, &method, target.is_some()).map(Either::Left)),
        Fault::Conflicted => Ok(conflict(request).await?.map(Either::Left)),
        _ => state.end(fault).await,
    }
}

impl State {
    /// Ends a call without an answer.
    async fn end(&self, fault: Fault) -> io::Result<Answer> {
        if matches!(fault, Fault::TimedOutBefore | Fault::TimedOutAfter) {
            std::future::pending::<()>().await;
        }
        if fault.is_death() {
            self.dead.store(true, Ordering::SeqCst);
            self.died.notify_one();
        }
        Err(gone())
    }
}

/// The store's own answer. The signature is of the headers as they are, the host included.
async fn forward(
    upstream: &Upstream,
    request: Request<Incoming>,
    target: Option<&str>,
) -> io::Result<Response<Full<Bytes>>> {
    let (mut parts, body) = request.into_parts();
    let store = if target.is_some() { &upstream.dynamodb } else { &upstream.s3 };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = format!("{store}{path}").parse::<Uri>().map_err(io::Error::other)?;
    // The SDK has gone away in the middle of its request, as a process does that ends.
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let answer = upstream.http.request(Request::from_parts(parts, Full::new(body))).await.map_err(io::Error::other)?;
    let (parts, body) = answer.into_parts();
    Ok(Response::from_parts(parts, Full::new(body.collect().await.map_err(io::Error::other)?.to_bytes())))
}

/// What a store answers that does nothing.
fn refusal(fault: Fault, method: &Method, of_dynamodb: bool) -> Response<Full<Bytes>> {
    let throttled = fault == Fault::Throttled;
    let (status, code) = match (of_dynamodb, throttled) {
        (true, true) => (400, "ThrottlingException"),
        (true, false) => (500, "InternalServerError"),
        (false, true) => (503, "SlowDown"),
        (false, false) => (500, "InternalError"),
    };
    let (of_type, body) = if of_dynamodb {
        let body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "injected"});
        ("application/x-amz-json-1.0", body.to_string())
    } else {
        ("application/xml", format!("<Error><Code>{code}</Code><Message>injected</Message></Error>"))
    };
    let body = if method == Method::HEAD { String::new() } else { body };
    Response::builder().status(status).header("content-type", of_type).body(Full::new(body.into())).unwrap()
}

/// What `DynamoDB` answers to a write that meets another one.
async fn conflict(request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let asked: Value = serde_json::from_slice(&body)?;
    let kind = |name: &str| format!("com.amazonaws.dynamodb.v20120810#{name}");
    let answer = match asked["TransactItems"].as_array() {
        Some(items) => {
            let reasons: Vec<_> = items.iter().map(|_| json!({"Code": "TransactionConflict"})).collect();
            json!({"__type": kind("TransactionCanceledException"), "message": "injected", "CancellationReasons": reasons})
        }
        None => json!({"__type": kind("TransactionConflictException"), "message": "injected"}),
    };
    let answer = Full::new(answer.to_string().into());
    Ok(Response::builder().status(400).header("content-type", "application/x-amz-json-1.0").body(answer).unwrap())
}

/// An answer whose head promises more than comes.
async fn cut(answer: Response<Full<Bytes>>) -> io::Result<Answer> {
    let (mut parts, body) = answer.into_parts();
    let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
    if bytes.is_empty() {
        return Err(gone());
    }
    parts.headers.remove("transfer-encoding");
    parts.headers.insert("content-length", bytes.len().into());
    let half = bytes.slice(..bytes.len() / 2);
    Ok(Response::from_parts(parts, Either::Right(Half { half: Some(half), pause: None })))
}

/// Half of a body, and then an error.
struct Half {
    half: Option<Bytes>,
    /// What was written has to be on its way before the connection ends.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Body for Half {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(half) = self.half.take() {
            self.pause = Some(Box::pin(sleep(Duration::from_millis(5))));
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        match self.pause.as_mut().map(|pause| pause.as_mut().poll(context)) {
            Some(Poll::Pending) => Poll::Pending,
            _ => Poll::Ready(Some(Err(gone()))),
        }
    }
}
