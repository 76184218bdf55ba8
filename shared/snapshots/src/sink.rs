//! What is made of the rows of a pass: a sink takes them decoded, in batches, and no sink knows the format of a file.

use crate::batch::Batch;
use crate::error::SnapshotError;

/// What is made of the rows of one unit of work. One is made for each decoding thread. Two sinks side by side are a sink.
pub(crate) trait Sink {
    /// What a unit comes to.
    type Unit: Send;

    /// Takes some rows of the object `object`.
    ///
    /// # Errors
    /// A value that fails the run.
    fn rows(&mut self, object: &str, batch: &Batch) -> Result<(), SnapshotError>;

    /// What the unit's rows came to; the next rows are of another unit.
    fn finish(&mut self) -> Self::Unit;
}

impl<A: Sink, B: Sink> Sink for (A, B) {
    type Unit = (A::Unit, B::Unit);

    fn rows(&mut self, object: &str, batch: &Batch) -> Result<(), SnapshotError> {
        self.0.rows(object, batch)?;
        self.1.rows(object, batch)
    }

    fn finish(&mut self) -> Self::Unit {
        (self.0.finish(), self.1.finish())
    }
}

/// A sink that is there or not.
impl<S: Sink> Sink for Option<S> {
    type Unit = Option<S::Unit>;

    fn rows(&mut self, object: &str, batch: &Batch) -> Result<(), SnapshotError> {
        self.as_mut().map_or(Ok(()), |sink| sink.rows(object, batch))
    }

    fn finish(&mut self) -> Self::Unit {
        self.as_mut().map(Sink::finish)
    }
}

/// Nothing more is made of the rows.
impl Sink for () {
    type Unit = ();

    fn rows(&mut self, _: &str, _: &Batch) -> Result<(), SnapshotError> {
        Ok(())
    }

    fn finish(&mut self) {}
}
