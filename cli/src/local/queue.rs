//! The queue in front of `retrain`: at least once, one message a batch, some at a time, five receives, then to the dead letters.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fulcrum_core::App;
use fulcrum_core::queue::Batch;
use retrain::MOST_RECEIVES;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Messages at a time.
pub(super) const AT_A_TIME: u32 = 2;
/// How long the function may take, as the template has it.
pub const FUNCTION_TIME: Duration = Duration::from_mins(15);
/// How long [`Queue::shutdown`] lets messages under way finish.
const GRACE: Duration = Duration::from_secs(10);

/// The queue and what takes from it.
#[must_use = "the queue ends when this value is dropped"]
pub struct Queue {
    app: App,
    visibility: Duration,
    permits: Arc<Semaphore>,
    tasks: JoinSet<()>,
    dead_letters: Arc<Mutex<Vec<String>>>,
}

impl Queue {
    /// An empty queue in front of the function over an app. A message that failed comes again after `visibility`.
    pub fn new(app: App, visibility: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(AT_A_TIME as usize));
        Self { app, visibility, permits, tasks: JoinSet::new(), dead_letters: Arc::default() }
    }

    /// Takes a message.
    pub fn send(&mut self, body: String) {
        while self.tasks.try_join_next().is_some() {}
        let (app, visibility) = (self.app.clone(), self.visibility);
        let (permits, dead_letters) = (Arc::clone(&self.permits), Arc::clone(&self.dead_letters));
        self.tasks.spawn(async move {
            let message_id = Uuid::new_v4().to_string();
            for receive in 1..=MOST_RECEIVES {
                if receive > 1 {
                    tokio::time::sleep(visibility).await;
                }
                // A closed semaphore is a queue that has ended.
                let Ok(_permit) = permits.acquire().await else { return };
                if invoke(&app, &message_id, &body, receive).await {
                    return;
                }
            }
            tracing::error!(message_id, receives = MOST_RECEIVES, "message moved to the dead letters");
            dead_letters.lock().unwrap_or_else(PoisonError::into_inner).push(body);
        });
    }

    /// The messages that failed for good: the dead-letter queue.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<String> {
        self.dead_letters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until no message is left.
    pub async fn drained(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// Lets messages under way finish, for at most 10 s, and drops the others: what they are about is in the stores.
    pub async fn shutdown(mut self) {
        if tokio::time::timeout(GRACE, self.permits.acquire_many(AT_A_TIME)).await.is_err() {
            tracing::warn!("training runs did not finish; stopping without them");
        }
        self.permits.close();
        self.tasks.shutdown().await;
    }
}

/// Hands a message to the function as the platform does, as JSON in and out; whether it is done with.
async fn invoke(app: &App, message_id: &str, body: &str, receive: u32) -> bool {
    let event = json!({"Records": [{
        "messageId": message_id,
        "receiptHandle": message_id,
        "body": body,
        "attributes": {"ApproximateReceiveCount": receive.to_string()},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:retrain",
        "awsRegion": "us-east-1",
    }]});
    match serde_json::from_value::<Batch>(event) {
        Ok(batch) => retrain::handle(app, batch, Instant::now() + FUNCTION_TIME).await.batch_item_failures.is_empty(),
        Err(error) => {
            tracing::error!(%error, "the event is not one");
            false
        }
    }
}
