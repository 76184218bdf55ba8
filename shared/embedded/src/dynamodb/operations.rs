//! The operations by their names on the wire: JSON in, JSON out.

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

macro_rules! operations {
    ($($name:literal => $method:ident,)+) => {
        /// The names.
        const NAMES: &[&str] = &[$($name),+];

        fn called(database: &Database, operation: &str, body: &str) -> Result<String, DynoxideError> {
            match operation {
                $($name => written(&database.$method(read(body)?)?),)+
                other => Err(DynoxideError::InternalServerError(format!("{other} is no operation"))),
            }
        }
    };
}

operations! {
    "BatchExecuteStatement" => batch_execute_statement,
    "BatchGetItem" => batch_get_item,
    "BatchWriteItem" => batch_write_item,
    "CreateTable" => create_table,
    "DeleteItem" => delete_item,
    "DeleteTable" => delete_table,
    "DescribeTable" => describe_table,
    "DescribeTimeToLive" => describe_time_to_live,
    "ExecuteStatement" => execute_statement,
    "ExecuteTransaction" => execute_transaction,
    "GetItem" => get_item,
    "ListTables" => list_tables,
    "ListTagsOfResource" => list_tags_of_resource,
    "PutItem" => put_item,
    "Query" => query,
    "Scan" => scan,
    "TagResource" => tag_resource,
    "TransactGetItems" => transact_get_items,
    "TransactWriteItems" => transact_write_items,
    "UntagResource" => untag_resource,
    "UpdateItem" => update_item,
    "UpdateTable" => update_table,
    "UpdateTimeToLive" => update_time_to_live,
}

/// The name of an operation, where there is such a one.
pub(super) fn known(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|known| **known == name).copied()
}

/// Runs an operation. It blocks.
///
/// # Errors
/// What `DynamoDB` answers instead.
pub(super) fn run(database: &Database, operation: &str, body: &str) -> Result<String, DynoxideError> {
    called(database, operation, body).map_err(|error| match (operation, error) {
        // What PutItem, UpdateItem and DeleteItem say of a value they say within this sentence, the others bare.
        ("PutItem" | "UpdateItem" | "DeleteItem", DynoxideError::EnvelopedValidation(message)) => {
            DynoxideError::ValidationException(format!("1 validation error detected: {message}"))
        }
        (_, DynoxideError::EnvelopedValidation(message)) => DynoxideError::ValidationException(message),
        (_, error) => error,
    })
}

fn written(answer: &impl Serialize) -> Result<String, DynoxideError> {
    serde_json::to_string(answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, DynoxideError> {
    serde_json::from_str(body).map_err(|error| unreadable(&error))
}

/// How an error is made of its message.
type Made = fn(String) -> DynoxideError;
/// Marks at the beginning of a message by which dynoxide's types say which error it is.
const MARKS: [(&str, Made); 3] = [
    ("SERIALIZATION:", DynoxideError::SerializationException),
    ("VALIDATION_REQUEST:", DynoxideError::EnvelopedValidation),
    ("VALIDATION:", DynoxideError::ValidationException),
];

fn unreadable(error: &serde_json::Error) -> DynoxideError {
    let message = error.to_string();
    let end = message.rfind(" at line ").unwrap_or(message.len());
    let message = &message[..end];
    for (mark, made) in MARKS {
        if let Some(rest) = message.strip_prefix(mark) {
            return made(rest.to_owned());
        }
    }
    if message.starts_with("recursion limit") {
        return DynoxideError::ValidationException("Nesting Levels have exceeded supported limits".to_owned());
    }
    let validation = ["missing field", "unknown variant", "invalid type: null", "Supplied AttributeValue"];
    if validation.iter().any(|beginning| message.contains(beginning)) {
        DynoxideError::ValidationException(message.to_owned())
    } else {
        DynoxideError::SerializationException(message.to_owned())
    }
}
