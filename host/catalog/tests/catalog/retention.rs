use std::time::Duration;

use modelyard_catalog::{Index, Kept, Record};
use modelyard_clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Model, stores};

/// A record that is kept for two days.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Trace {
    name: String,
    at: Timestamp,
}

impl Record for Trace {
    const TABLE: &'static str = "trace";
    const INDEXES: &'static [Index] = &[Index::on(&["at"])];
    const KEPT: Option<Kept> = Some(Kept { from: "at", days: 2 });

    fn id(&self) -> String {
        self.name.clone()
    }
}

#[tokio::test]
async fn what_is_older_than_its_table_keeps_it_goes_and_nothing_else() {
    let now: Timestamp = "2013-06-10T12:00:00Z".parse().unwrap();
    let day = Duration::from_secs(86_400);
    for store in stores().await {
        let (traces, models) = (store.catalog.table::<Trace>(), store.catalog.table::<Model>());
        models.insert(&Model::new("old")).await.unwrap();
        for (name, at) in [("older", now - day * 3), ("edge", now - day * 2), ("new", now)] {
            traces.insert(&Trace { name: name.into(), at }).await.unwrap();
        }
        assert_eq!(store.catalog.prune(now).await.unwrap(), 1);
        assert!(!traces.exists("older").await.unwrap());
        assert!(traces.exists("edge").await.unwrap() && traces.exists("new").await.unwrap());
        assert!(models.exists("old").await.unwrap());
        assert_eq!(store.catalog.prune(now).await.unwrap(), 0);
        assert_eq!(store.catalog.prune(now + day).await.unwrap(), 1);
        assert!(traces.exists("new").await.unwrap());
    }
}
