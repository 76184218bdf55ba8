//! What nothing names any more is deleted: a day later, so that whoever reads it comes to an end.

use std::collections::BTreeSet;

use crate::layout::SWEPT;
use crate::run::{Run, RunError};
use crate::snapshot::{MANIFEST_NAME, SnapshotManifest};
use crate::store::Store;

/// Objects of a listing's page.
const PAGE: usize = 1000;

impl<S: Store> Run<'_, S> {
    /// Takes out parts whose events are all older than the retention.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn expire(&mut self) -> Result<(), RunError<S::Error>> {
        let Some(retention) = self.limits.retention else { return Ok(()) };
        let oldest = (self.now() - retention).timestamp_micros();
        let old = self.manifest.parts.iter().filter(|part| part.max_timestamp < oldest);
        let old: Vec<String> = old.map(|part| part.key.clone()).collect();
        if old.is_empty() {
            return Ok(());
        }
        self.retire(old.iter().map(String::as_str));
        self.commit().await
    }

    /// Deletes retired objects and orphans, if it is time for it.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn sweep(&mut self) -> Result<(), RunError<S::Error>> {
        let now = self.now();
        let due = self.manifest.swept_at.is_none_or(|at| now - at >= self.limits.sweep_every);
        if !due || self.manifest.version == 0 || self.is_late() {
            return Ok(());
        }
        let pinned = self.pinned().await?;
        let until = now - self.limits.grace;
        let retired =
            self.manifest.retired.iter().filter(|retired| retired.at < until && !pinned.contains(&retired.key));
        let mut gone: BTreeSet<String> = retired.map(|retired| retired.key.clone()).collect();
        let named: BTreeSet<&str> = self
            .manifest
            .named()
            .chain(self.manifest.retired.iter().map(|retired| retired.key.as_str()))
            .chain(pinned.iter().map(String::as_str))
            .collect();
        for prefix in SWEPT {
            let prefix = format!("{}{prefix}", self.root);
            let mut after: Option<String> = None;
            loop {
                let page = self.store.list(&prefix, after.as_deref(), PAGE).await.map_err(RunError::Store)?;
                let orphans =
                    page.iter().filter(|object| object.modified < until && !named.contains(object.key.as_str()));
                gone.extend(orphans.map(|object| object.key.clone()));
                if page.len() < PAGE {
                    break;
                }
                after = page.last().map(|object| object.key.clone());
            }
        }
        self.manifest.retired.retain(|retired| !gone.contains(&retired.key));
        self.manifest.swept_at = Some(now);
        // First the pointer, then the objects: a run that was away for a day and would name one of these can then no longer
        // move it.
        self.commit().await?;
        self.report.swept += gone.len() as u64;
        self.delete_all(gone).await
    }

    /// The objects of the latest snapshots: a model may still be trained on them.
    async fn pinned(&self) -> Result<BTreeSet<String>, RunError<S::Error>> {
        let mut pinned = BTreeSet::new();
        for (optimization, published) in &self.manifest.published {
            let prefix = format!("snapshots/{}/{optimization}/{}/", self.organization, published.snapshot_id);
            let key = format!("{prefix}{MANIFEST_NAME}");
            // Snapshots may be deleted after some time.
            let Some(bytes) = self.store.read(&key).await.map_err(RunError::Store)? else { continue };
            let manifest = SnapshotManifest::decode(&bytes, &self.organization, &prefix);
            let manifest = manifest.map_err(|cause| RunError::Broken { key, cause })?;
            pinned.extend(manifest.objects().map(|object| object.key.clone()));
        }
        Ok(pinned)
    }
}
