//! Bodies that come too slowly.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

/// What a body has to bring within its time, again and again.
const LEAST: usize = 64 * 1024;

/// A body of any size, which ends in an error where it does not bring [`LEAST`] bytes or its end within a time.
#[derive(Debug)]
pub(crate) struct Paced {
    body: Incoming,
    within: Duration,
    timer: Pin<Box<Sleep>>,
    brought: usize,
}

/// The body came too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the body brought less than {LEAST} bytes in {} s", .0.as_secs_f64())]
pub(crate) struct TooSlow(Duration);

impl Paced {
    pub(crate) fn new(body: Incoming, within: Duration) -> Self {
        Self { body, within, timer: Box::pin(sleep(within)), brought: 0 }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(frame) => {
                if let Some(Ok(frame)) = &frame {
                    this.brought += frame.data_ref().map_or(0, Bytes::len);
                    if this.brought >= LEAST {
                        this.brought = 0;
                        this.timer.as_mut().reset(Instant::now() + this.within);
                    }
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending if this.timer.as_mut().poll(context).is_ready() => {
                Poll::Ready(Some(Err(TooSlow(this.within).into())))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
