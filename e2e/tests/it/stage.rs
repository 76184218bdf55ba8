//! Stores with the examples in them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use aws_sdk_dynamodb::types::KeySchemaElement;
use fulcrum::local::{StoreOptions, Stores, examples};
use fulcrum_core::App;
use fulcrum_core::config::Endpoints;

pub const TABLE: &str = "fulcrum";
/// The bucket that the events of S3 name.
pub const BUCKET: &str = "fulcrum";

/// Stores inside the test, and an app over them.
pub struct Stage {
    pub stores: Stores,
    pub app: App,
}

impl Stage {
    pub async fn set() -> Self {
        let stage = Self::without_examples().await;
        examples::put(&stage.app).await.unwrap();
        stage
    }

    pub async fn without_examples() -> Self {
        let address = IpAddr::from([127, 0, 0, 1]);
        let options = StoreOptions {
            folder: None,
            address,
            hosts: Vec::new(),
            port: 0,
            endpoints: Endpoints::default(),
            created: None,
        };
        let stores = Stores::start(options, None).await.unwrap();
        let app = App::new(stores.sdk(), stores.endpoints(), TABLE, BUCKET);
        app.table.create_if_missing().await.unwrap();
        app.bucket.create_if_missing().await.unwrap();
        Self { stores, app }
    }

    /// What a function finds in its environment.
    pub fn variables(&self) -> Vec<(String, String)> {
        let access = self.stores.access();
        [
            ("TABLE_NAME", TABLE),
            ("BUCKET_NAME", BUCKET),
            ("STAGE", "test"),
            // The most that there is: nothing may leak at any level.
            ("LOG_LEVEL", "trace"),
            ("SYNCHRONOUS_SNAPSHOT_BYTES", "268435456"),
            ("AWS_ENDPOINT_URL_DYNAMODB", &access.dynamodb),
            ("AWS_ENDPOINT_URL_S3", &access.s3),
            ("AWS_REGION", &access.region),
            ("AWS_ACCESS_KEY_ID", &access.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", &access.secret_access_key),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }
}

type Keys = Vec<(String, String)>;

/// A table as it was made.
pub struct Made {
    pub name: String,
    /// Name and kind of each key.
    pub keys: Keys,
    /// Name, keys and projection of each index.
    pub indexes: Vec<(String, Keys, String)>,
    /// Name and type of each attribute that is a key somewhere.
    pub attributes: BTreeSet<(String, String)>,
}

impl Stage {
    pub async fn describe_table(&self) -> Made {
        let mut config = aws_sdk_dynamodb::config::Builder::from(self.stores.sdk());
        config.set_endpoint_url(self.stores.endpoints().dynamodb.clone());
        let client = aws_sdk_dynamodb::Client::from_conf(config.build());
        let table = client.describe_table().table_name(TABLE).send().await.unwrap().table.unwrap();
        let keys = |keys: &[KeySchemaElement]| -> Keys {
            keys.iter().map(|key| (key.attribute_name().to_owned(), key.key_type().to_string())).collect()
        };
        let indexes = table.local_secondary_indexes().iter().map(|index| {
            let projection = index.projection().unwrap().projection_type().unwrap().to_string();
            (index.index_name().unwrap().to_owned(), keys(index.key_schema()), projection)
        });
        let attributes = table.attribute_definitions().iter();
        let attributes = attributes.map(|a| (a.attribute_name().to_owned(), a.attribute_type().to_string()));
        Made {
            name: table.table_name().unwrap().to_owned(),
            keys: keys(table.key_schema()),
            indexes: indexes.collect(),
            attributes: attributes.collect(),
        }
    }
}
