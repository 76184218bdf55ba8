//! The history of an optimization: what is recorded of a change, and what is read of all of them.

use uuid::Uuid;

use crate::app::App;
use crate::domain::{Aspects, Change, ChangeKind, Model, ServedVersion, Timeline};
use crate::error::ApiError;
use crate::store::{ListOptions, Page};

impl App {
    /// A change at this moment, in the name of whoever this app acts for.
    pub(super) fn change(&self, of: (&str, Uuid), what: ChangeKind, before: Aspects, after: Aspects) -> Change {
        Change::new(of, (&self.actor, self.clock.now()), what, before, after)
    }

    /// The changes of an optimization, newest first.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], and storage errors.
    pub async fn history(
        &self,
        organization: &str,
        optimization: Uuid,
        options: &ListOptions<'_>,
    ) -> Result<Page<Change>, ApiError> {
        let missing = || ApiError::NotFound { what: "optimization", id: optimization.to_string() };
        self.table.optimization(organization, optimization).await?.ok_or_else(missing)?;
        Ok(self.table.history(organization, optimization, options).await?)
    }

    /// What was in force in the optimization of a model from when to when: between two of its instants one allocation was served.
    ///
    /// # Errors
    /// [`ApiError::Internal`] where the model has no optimization, and storage errors.
    pub async fn timeline(&self, model: &Model) -> Result<Timeline, ApiError> {
        let parent = self.table.optimization(&model.organization_id, model.optimization_id).await?;
        let parent = parent.ok_or_else(|| ApiError::internal(format!("model {} has no optimization", model.id)))?;
        let served = match parent.model_id {
            Some(id) if id == model.id => ServedVersion::of_model(model, parent.status, parent.status_reason.is_some()),
            // What is served of another model is said by its changes.
            _ => ServedVersion::NOTHING,
        };
        Ok(self.table.timeline(&parent, served).await?)
    }
}
