use modelyard_catalog::{Catalog, Direction, Edge, Ref};
use serde_json::{Value, json};

use crate::{Model, stores};

async fn relate(catalog: &Catalog, kind: &str, from: (&str, &str), to: (&str, &str), at: &str, data: Value) {
    let edge = Edge {
        kind: kind.into(),
        from: Ref::new(from.0, from.1),
        to: Ref::new(to.0, to.1),
        at: at.parse().unwrap(),
        data,
    };
    let mut transaction = catalog.transaction();
    transaction.relate(edge);
    transaction.commit().await.unwrap();
}

fn ends(edges: &[Edge]) -> Vec<(&str, &str, &str)> {
    edges.iter().map(|e| (e.from.id.as_str(), e.kind.as_str(), e.to.id.as_str())).collect()
}

#[tokio::test]
async fn lineage_is_walked_both_ways() {
    for store in stores().await {
        let catalog = &store.catalog;
        let data = json!({"z": 1.0, "a": [null, u64::MAX]});
        relate(catalog, "produced", ("run", "r/1"), ("version", "delay@1"), "2013-04-02", data.clone()).await;
        relate(catalog, "trained-on", ("run", "r/1"), ("dataset", "flights@3"), "2013-04-01", json!(null))
            .await;
        relate(
            catalog,
            "derived-from",
            ("dataset", "flights@3"),
            ("source", "csv 'x'"),
            "2013-01-01",
            json!({}),
        )
        .await;
        relate(
            catalog,
            "deployed-as",
            ("version", "delay@1"),
            ("deployment", "live"),
            "2013-04-03",
            json!(1),
        )
        .await;
        relate(catalog, "replaced", ("deployment", "live"), ("run", "r/1"), "2013-04-04", json!([])).await;

        let run = Ref::new("run", "r/1");
        let edges = catalog.edges(&run, Direction::Outgoing).await.unwrap();
        assert_eq!(
            ends(&edges),
            [("r/1", "trained-on", "flights@3"), ("r/1", "produced", "delay@1")],
            "oldest first"
        );
        assert_eq!(edges[1].data.to_string(), data.to_string());
        assert_eq!(edges[1].at.to_string(), "2013-04-02T00:00:00.000000Z");
        let incoming = catalog.edges(&run, Direction::Incoming).await.unwrap();
        assert_eq!(ends(&incoming), [("live", "replaced", "r/1")]);
        assert_eq!(catalog.edges(&run, Direction::Both).await.unwrap().len(), 3);

        let down = catalog.lineage(&run, Direction::Outgoing, 10).await.unwrap();
        assert_eq!(down.len(), 5, "a cycle is walked once");
        assert_eq!(catalog.lineage(&run, Direction::Outgoing, 2).await.unwrap().len(), 4);
        let up = catalog.lineage(&Ref::new("source", "csv 'x'"), Direction::Incoming, 3).await.unwrap();
        assert_eq!(
            ends(&up)[..2],
            [("flights@3", "derived-from", "csv 'x'"), ("r/1", "trained-on", "flights@3")]
        );
        assert!(catalog.lineage(&Ref::new("run", "none"), Direction::Both, 5).await.unwrap().is_empty());
        assert!(catalog.lineage(&run, Direction::Both, 0).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_edge_is_there_once() {
    for store in stores().await {
        let catalog = &store.catalog;
        let (from, to) = (("a", "x"), ("b", "y"));
        relate(catalog, "made", from, to, "2013-01-01", json!(1)).await;
        relate(catalog, "made", from, to, "2013-01-02", json!(2)).await;
        relate(catalog, "checked", from, to, "2013-01-03", json!(3)).await;
        let edges = catalog.edges(&Ref::new("a", "x"), Direction::Both).await.unwrap();
        assert_eq!(edges.len(), 2);
        assert_eq!((edges[0].kind.as_str(), &edges[0].data), ("made", &json!(2)));
        assert_eq!(edges[0].at.to_string(), "2013-01-02T00:00:00.000000Z");
    }
}

#[tokio::test]
async fn edges_go_with_their_record() {
    for store in stores().await {
        let catalog = &store.catalog;
        let models = catalog.table::<Model>();
        models.insert(&Model::new("a")).await.unwrap();
        relate(catalog, "made", ("model", "a"), ("b", "y"), "2013-01-01", json!(1)).await;
        models.update("a", |model| model.versions += 1).await.unwrap();
        models.put(&Model::new("a")).await.unwrap();
        assert_eq!(catalog.edges(&Ref::to::<Model>("a"), Direction::Outgoing).await.unwrap().len(), 1);
        models.delete("a").await.unwrap();
        assert!(catalog.edges(&Ref::new("b", "y"), Direction::Incoming).await.unwrap().is_empty());
    }
}
