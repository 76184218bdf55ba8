//! What each endpoint is for, takes and answers.

use serde_json::{Value, json};

use super::answers::{ModelState, Results};
use super::schemas::Schemas;
use crate::domain::events::{Batch, ExposureBody, RewardBody};
use crate::domain::{
    Deleted, DeletingView, EvaluatePolicies, EvaluatedView, FlushingView, History, ModelDetailView, Models,
    NamedVisitor, NewModel, NewOptimization, OptimizationDetailView, OptimizationView, Optimizations,
    PatchOptimization, Posteriors, QueuedView, RollBackModel, Scope, TrainModel, TrainedView, Visitor,
};
use crate::usecases::{Decision, Ingested, PolicyDocument};

/// The schema of a type, with its definitions collected.
type Describe = fn(&mut Schemas) -> Value;
/// The same of an answer, by the name that the answer has among the definitions.
type DescribeAnswer = fn(&mut Schemas, &str) -> Value;

/// An endpoint.
pub(super) struct Operation {
    /// Its function, as the table of routes has it.
    pub(super) function: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    /// More than the summary says; may be empty.
    more: &'static str,
    /// What a token must cover; none where it takes no token.
    pub(super) scope: Option<Scope>,
    /// Names of `parameters::all`, those of the path apart.
    pub(super) parameters: &'static [&'static str],
    pub(super) body: Option<Body>,
    pub(super) successes: &'static [Success],
    /// Statuses of errors besides those that all have.
    errors: &'static [u16],
    pub(super) links: &'static [Link],
}

/// A request body.
pub(super) struct Body {
    pub(super) schema: Describe,
    pub(super) required: bool,
}

/// An answer without error.
pub(super) struct Success {
    pub(super) status: u16,
    pub(super) description: &'static str,
    pub(super) schema: Option<DescribeAnswer>,
    pub(super) headers: &'static [&'static str],
}

/// Where an id of the answer leads.
pub(super) struct Link {
    to: &'static str,
    /// The place of the id in the body of the answer.
    id: &'static str,
}

impl Link {
    pub(super) fn describe(&self) -> (String, Value) {
        let to = camel(self.to);
        (to.clone(), json!({"operationId": to, "parameters": {"id": format!("$response.body#{}", self.id)}}))
    }
}

/// `list-models` as `listModels`.
fn camel(function: &str) -> String {
    let mut words = function.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |all, word| all + &word[..1].to_uppercase() + &word[1..])
}

impl Operation {
    pub(super) fn id(&self) -> String {
        camel(self.function)
    }

    /// The name of an answer among the definitions.
    pub(super) fn answer_name(&self, status: u16) -> String {
        let (id, first) = (self.id(), self.successes.first().map(|success| success.status));
        let more = if first == Some(status) { String::new() } else { status.to_string() };
        format!("{}{}Answer{more}", id[..1].to_uppercase(), &id[1..])
    }

    pub(super) fn description(&self) -> String {
        let token = match self.scope {
            Some(scope) => format!("Needs a token with the scope `{}`.", scope.as_str()),
            None => "Takes no token.".to_owned(),
        };
        if self.more.is_empty() { token } else { format!("{} {token}", self.more) }
    }

    /// The statuses of its errors, ascending.
    pub(super) fn error_statuses(&self) -> Vec<u16> {
        let mut statuses = vec![400, 405, 429, 500, 503];
        statuses.extend(self.errors);
        if self.scope.is_some() {
            statuses.extend([401, 403]);
        }
        if self.body.is_some() {
            statuses.push(413);
        }
        statuses.sort_unstable();
        statuses
    }
}

const fn ok(status: u16, description: &'static str, schema: DescribeAnswer) -> Success {
    Success { status, description, schema: Some(schema), headers: &[] }
}

const fn body(schema: Describe) -> Body {
    Body { schema, required: true }
}

const fn link(to: &'static str, id: &'static str) -> Link {
    Link { to, id }
}

/// What an operation has none of.
const NONE: Operation = Operation {
    function: "",
    tag: "",
    summary: "",
    more: "",
    scope: None,
    parameters: &[],
    body: None,
    successes: &[],
    errors: &[],
    links: &[],
};

const READ: Option<Scope> = Some(Scope::ModelsRead);
const WRITE: Option<Scope> = Some(Scope::ModelsWrite);
const EVENTS: Option<Scope> = Some(Scope::EventsWrite);

const SOME_REJECTED: &str = "Some events are not stored: `rejected` says which and why. The others are.";

/// Where the ids of a new pair lead. Deletion is the last, so that tools that follow links come to it last.
const OF_MODEL: &[Link] = &[
    link("get-model", "/id"),
    link("train-model", "/id"),
    link("model-state", "/id"),
    link("list-posteriors", "/id"),
    link("rollback-model", "/id"),
    link("get-optimization", "/optimization_id"),
    link("serve-variant", "/optimization_id"),
    link("delete-model", "/id"),
];
const OF_OPTIMIZATION: &[Link] = &[
    link("get-optimization", "/id"),
    link("update-optimization", "/id"),
    link("serve-variant", "/id"),
    link("optimization-policy", "/id"),
    link("optimization-results", "/id"),
    link("optimization-history", "/id"),
    link("evaluate-policy", "/id"),
    link("train-model", "/model_id"),
    link("model-state", "/model_id"),
    link("delete-model", "/model_id"),
];

/// Every endpoint. A test holds the list against the table of routes.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        function: "list-models",
        tag: "Models",
        summary: "The models of the organization, newest `updated_at` first.",
        more: "All of them where neither `limit` nor the size of an answer (6 MB) ends the page before; `meta.next_cursor` is there \
               when more follow.",
        scope: READ,
        parameters: &["IncludeArchived", "Limit", "Cursor"],
        successes: &[ok(200, "The models.", Schemas::success::<Models<'_>>)],
        links: &[link("get-model", "/models/0/id"), link("model-state", "/models/0/id")],
        ..NONE
    },
    Operation {
        function: "create-model",
        tag: "Models",
        summary: "A new model, with a new optimization where none is named.",
        more: "An optimization has at most one model that is not archived: 409 otherwise.",
        scope: WRITE,
        parameters: &["IdempotencyKey"],
        body: Some(body(Schemas::read::<NewModel>)),
        successes: &[ok(201, "The new model.", Schemas::success::<ModelDetailView<'_>>)],
        errors: &[404, 409, 422],
        links: OF_MODEL,
    },
    Operation {
        function: "get-model",
        tag: "Models",
        summary: "One model, with its in-sample metrics.",
        scope: READ,
        successes: &[ok(200, "The model.", Schemas::success::<ModelDetailView<'_>>)],
        errors: &[404],
        ..NONE
    },
    Operation {
        function: "delete-model",
        tag: "Models",
        summary: "Archives a model.",
        more: "It is trained and served no more; its record and its posteriors stay readable. Deleting it again gives the same answer.",
        scope: WRITE,
        successes: &[ok(200, "It is archived.", Schemas::success::<Deleted>)],
        errors: &[404, 409],
        ..NONE
    },
    Operation {
        function: "train-model",
        tag: "Models",
        summary: "Trains a model on the latest complete snapshot, and puts the posterior in force.",
        more: "The same snapshot, bias and configuration give the same posterior. No body and `{}` are the same. A run that fails \
               changes nothing. A call that meets a run waits for it, and takes its result where it would compute the same.",
        scope: WRITE,
        parameters: &["Prefer", "IdempotencyKey"],
        body: Some(Body { schema: Schemas::read::<TrainModel>, required: false }),
        successes: &[
            ok(200, "The run that ended.", Schemas::success::<TrainedView<'_>>),
            Success {
                status: 202,
                description: "The run waits in the queue: it was asked for so, or the snapshot is too large for one call.",
                schema: Some(Schemas::success::<QueuedView>),
                headers: &["Preference-Applied"],
            },
        ],
        errors: &[404, 409, 422],
        ..NONE
    },
    Operation {
        function: "model-state",
        tag: "Models",
        summary: "What a model believes.",
        more: "Before the first training it believes nothing, and every allowed variant is served alike. Each page has all fields, and of \
               `variants`, `contexts`, `factors` and `interactions` a part, one list after the other.",
        scope: READ,
        parameters: &["Limit", "Cursor"],
        successes: &[ok(200, "The state.", Schemas::success::<ModelState>)],
        errors: &[404],
        ..NONE
    },
    Operation {
        function: "list-posteriors",
        tag: "Models",
        summary: "The versions of a model's posterior, newest first.",
        scope: READ,
        parameters: &["Limit", "Cursor"],
        successes: &[ok(200, "The versions.", Schemas::success::<Posteriors<'_>>)],
        errors: &[404],
        ..NONE
    },
    Operation {
        function: "rollback-model",
        tag: "Models",
        summary: "Puts an earlier posterior in force again.",
        more: "Nothing is recomputed or deleted; the next training makes a greater version than any before.",
        scope: WRITE,
        body: Some(body(Schemas::read::<RollBackModel>)),
        successes: &[ok(200, "The model with it.", Schemas::success::<ModelDetailView<'_>>)],
        errors: &[404, 409],
        ..NONE
    },
    Operation {
        function: "list-optimizations",
        tag: "Optimizations",
        summary: "The optimizations of the organization, newest first.",
        more: "Each with what its posterior in force promises. All of them where neither `limit` nor the size of an answer (6 MB) ends \
               the page before; `meta.next_cursor` is there when more follow.",
        scope: READ,
        parameters: &["Limit", "OrderBy", "IncludeArchived", "Cursor"],
        successes: &[ok(200, "The optimizations.", Schemas::success::<Optimizations<'_>>)],
        links: &[link("get-optimization", "/optimizations/0/id"), link("optimization-policy", "/optimizations/0/id")],
        ..NONE
    },
    Operation {
        function: "create-optimization",
        tag: "Optimizations",
        summary: "A new optimization with its model.",
        scope: WRITE,
        parameters: &["IdempotencyKey"],
        body: Some(body(Schemas::read::<NewOptimization>)),
        successes: &[ok(201, "The new optimization.", Schemas::success::<OptimizationView<'_>>)],
        errors: &[409, 422],
        links: OF_OPTIMIZATION,
        ..NONE
    },
    Operation {
        function: "get-optimization",
        tag: "Optimizations",
        summary: "One optimization, with what its model learns from.",
        scope: READ,
        successes: &[ok(200, "The optimization.", Schemas::success::<OptimizationDetailView<'_>>)],
        errors: &[404],
        ..NONE
    },
    Operation {
        function: "update-optimization",
        tag: "Optimizations",
        summary: "Changes the name or the status of an optimization.",
        more: "`completed` serves the best variant in each context and trains no more; `live` explores again; `archived` does not \
               serve. Serving follows within its cache time, 30 s.",
        scope: WRITE,
        body: Some(body(Schemas::read::<PatchOptimization>)),
        successes: &[ok(200, "The optimization as it is now.", Schemas::success::<OptimizationView<'_>>)],
        errors: &[404, 409],
        ..NONE
    },
    Operation {
        function: "serve-variant",
        tag: "Serving",
        summary: "The variant that a visitor sees.",
        more: "A pure function of optimization, visitor, context and posterior in force: nothing is written.",
        body: Some(body(Schemas::read::<Visitor>)),
        successes: &[ok(200, "The variant.", Schemas::success::<Decision>)],
        errors: &[404, 409],
        ..NONE
    },
    Operation {
        function: "best-variant",
        tag: "Serving",
        summary: "As `serveVariant`, with the optimization's id in the body.",
        body: Some(body(Schemas::read::<NamedVisitor>)),
        successes: &[ok(200, "The variant.", Schemas::success::<Decision>)],
        errors: &[404, 409],
        ..NONE
    },
    Operation {
        function: "optimization-policy",
        tag: "Serving",
        summary: "The compiled policy, for clients that serve by themselves.",
        more: "docs/serving.md says how variants are chosen from it.",
        parameters: &["IfNoneMatch"],
        successes: &[
            Success {
                status: 200,
                description: "The policy.",
                schema: Some(Schemas::success::<PolicyDocument>),
                headers: &["ETag", "Cache-Control"],
            },
            Success {
                status: 304,
                description: "The policy at hand is the one in force.",
                schema: None,
                headers: &["ETag", "Cache-Control"],
            },
        ],
        errors: &[404, 409],
        ..NONE
    },
    Operation {
        function: "optimization-results",
        tag: "Optimizations",
        summary: "What happened, as the latest training run measured it.",
        more: "Measured lift over the holdout, by context, by variant and by day, and whether the data are sound. 404 before the first \
               run. docs/results.md has the formulas.",
        scope: READ,
        parameters: &["From", "To"],
        successes: &[ok(200, "The results.", Schemas::success::<Results>)],
        errors: &[404],
        ..NONE
    },
    Operation {
        function: "evaluate-policy",
        tag: "Optimizations",
        summary: "What other policies would have earned on what was logged.",
        more: "Inverse propensity scoring, its self-normalized form and a doubly robust estimate, on the exposures that the latest training \
               run read, by the probabilities of the versions that decided them. It reads what the run stored, and no snapshot. 409 where \
               that run left nothing to value policies on: an older one, or one over a snapshot without ids. docs/results.md has the \
               formulas.",
        scope: READ,
        body: Some(body(Schemas::read::<EvaluatePolicies>)),
        successes: &[ok(200, "The values.", Schemas::success::<EvaluatedView>)],
        errors: &[404, 409],
        ..NONE
    },
    Operation {
        function: "optimization-history",
        tag: "Optimizations",
        summary: "Who changed what and when, newest first.",
        more: "All changes where neither `limit` nor the size of an answer (6 MB) ends the page before; `meta.next_cursor` is there when \
               more follow.",
        scope: READ,
        parameters: &["Limit", "Cursor"],
        successes: &[ok(200, "The changes.", Schemas::success::<History<'_>>)],
        errors: &[404],
        ..NONE
    },
    Operation {
        function: "ingest-exposures",
        tag: "Events",
        summary: "Takes in what visitors saw: 1 to 500 exposures.",
        more: "Durable when answered. An event with an idempotency key counts once however often it is sent. A body of at most 5,000,000 \
               bytes. With an `optimization_id` of somebody else or of nobody, nothing is stored: 403.",
        scope: EVENTS,
        body: Some(body(Schemas::read::<Batch<ExposureBody>>)),
        successes: &[
            ok(200, "All events are stored.", Schemas::success::<Ingested>),
            ok(207, SOME_REJECTED, Schemas::success::<Ingested>),
        ],
        ..NONE
    },
    Operation {
        function: "ingest-rewards",
        tag: "Events",
        summary: "Takes in what visitors did: 1 to 500 rewards.",
        more: "As `ingestExposures`.",
        scope: EVENTS,
        body: Some(body(Schemas::read::<Batch<RewardBody>>)),
        successes: &[
            ok(200, "All events are stored.", Schemas::success::<Ingested>),
            ok(207, SOME_REJECTED, Schemas::success::<Ingested>),
        ],
        ..NONE
    },
    Operation {
        function: "flush-events",
        tag: "Events",
        summary: "Has the events compacted and published at once.",
        more: "Without it they are compacted every five minutes, and published every `retrain_minutes` of the model.",
        scope: EVENTS,
        successes: &[ok(202, "It is asked for.", Schemas::success::<FlushingView>)],
        ..NONE
    },
    Operation {
        function: "delete-user-events",
        tag: "Events",
        summary: "Removes a user's events, within a day.",
        more: "docs/privacy.md says from where.",
        scope: EVENTS,
        successes: &[ok(202, "It is asked for.", Schemas::success::<DeletingView>)],
        ..NONE
    },
    Operation {
        function: "openapi",
        tag: "Description",
        summary: "This document.",
        successes: &[ok(
            200,
            "The description, OpenAPI 3.1.",
            |_, _| json!({"type": "object", "additionalProperties": true}),
        )],
        ..NONE
    },
];
