//! A store in memory whose every call waits twice to be polled again: before its effect and after it. Whoever polls decides
//! what happens in between, and a future that is dropped there is a process that died there.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use events::manifest::Manifest;
use events::{Listed, Pointer, Store};

/// What there is.
pub struct World {
    pub objects: BTreeMap<String, (Bytes, DateTime<Utc>)>,
    pub pointer: Option<Pointer>,
    pub now: DateTime<Utc>,
}

#[derive(Clone)]
pub struct Sim(Arc<Mutex<World>>);

impl Sim {
    pub fn new() -> Self {
        let now = "2026-11-28T06:00:00Z".parse().unwrap();
        Self(Arc::new(Mutex::new(World { objects: BTreeMap::new(), pointer: None, now })))
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    pub fn advance(&self, by: TimeDelta) {
        self.world().now += by;
    }

    /// The manifest in force.
    pub fn manifest(&self) -> Manifest {
        let world = self.world();
        let Some(pointer) = &world.pointer else { return Manifest::empty() };
        Manifest::decode(&world.objects[&pointer.key].0).unwrap()
    }

    async fn effect<T>(&self, effect: impl FnOnce(&mut World) -> T + Send) -> Result<T, Infallible> {
        Pause(false).await;
        let done = effect(&mut self.world());
        Pause(false).await;
        Ok(done)
    }
}

struct Pause(bool);

impl Future for Pause {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Store for Sim {
    type Error = Infallible;

    fn now(&self) -> DateTime<Utc> {
        self.world().now
    }

    async fn list(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Vec<Listed>, Infallible> {
        self.effect(|world| {
            let under = world.objects.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
            let later = under.filter(|(key, _)| after.is_none_or(|after| key.as_str() > after)).take(most);
            let listed = |(key, (bytes, modified)): (&String, &(Bytes, DateTime<Utc>))| Listed {
                key: key.clone(),
                size: bytes.len() as u64,
                modified: *modified,
            };
            later.map(listed).collect()
        })
        .await
    }

    async fn read(&self, key: &str) -> Result<Option<Bytes>, Infallible> {
        self.effect(|world| world.objects.get(key).map(|(bytes, _)| bytes.clone())).await
    }

    async fn read_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>, Infallible> {
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        self.effect(|world| world.objects.get(key).map(|(bytes, _)| bytes.slice(range))).await
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Infallible> {
        self.effect(|world| {
            let now = world.now;
            world.objects.insert(key.to_owned(), (bytes, now));
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<(), Infallible> {
        self.effect(|world| {
            world.objects.remove(key);
        })
        .await
    }

    async fn move_pointer(&self, from: Option<&Pointer>, to: &Pointer) -> Result<bool, Infallible> {
        self.effect(|world| {
            let moves = world.pointer.as_ref() == from;
            if moves {
                world.pointer = Some(to.clone());
            }
            moves
        })
        .await
    }

    async fn offload<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Infallible> {
        Ok(work())
    }
}
