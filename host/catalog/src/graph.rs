use std::collections::HashSet;

use modelyard_clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use surrealdb::types::{Object, Value as Db};

use crate::{
    Catalog, Error, Record, Result,
    catalog::EDGES,
    encode, row,
    store::{Binds, key_of, quoted, record_id, rows, take_text},
};

/// A record, named by its table and id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ref {
    /// The record's table.
    pub table: String,
    /// The record's id within it.
    pub id: String,
}

impl Ref {
    /// Names a record.
    pub fn new(table: impl Into<String>, id: impl Into<String>) -> Self {
        Self { table: table.into(), id: id.into() }
    }

    /// Names this record.
    pub fn of<R: Record>(record: &R) -> Self {
        Self::new(R::TABLE, record.id())
    }

    /// Names the record of `R`'s table that has this id.
    pub fn to<R: Record>(id: impl Into<String>) -> Self {
        Self::new(R::TABLE, id)
    }
}

/// A directed edge of the lineage graph. There is one edge per kind, from and to;
/// relating again replaces its time and data. Deleting a record deletes its edges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// What the edge says, for example `trained-on`.
    pub kind: String,
    /// Where it starts.
    pub from: Ref,
    /// Where it ends.
    pub to: Ref,
    /// When it came to be.
    pub at: Timestamp,
    /// Whatever else is known about it.
    #[serde(default)]
    pub data: Value,
}

/// Which edges of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Edges that start at the record.
    Outgoing,
    /// Edges that end at the record.
    Incoming,
    /// Both.
    Both,
}

impl Catalog {
    /// The edges at `node`, oldest first.
    pub async fn edges(&self, node: &Ref, direction: Direction) -> Result<Vec<Edge>> {
        self.lineage(node, direction, 1).await
    }

    /// The edges that can be reached from `node` by following edges in `direction`, at most
    /// `max_depth` after one another; nearest first, then oldest. Cycles are walked once.
    pub async fn lineage(&self, node: &Ref, direction: Direction, max_depth: usize) -> Result<Vec<Edge>> {
        let mut edges = Vec::new();
        let mut seen = HashSet::new();
        let mut visited = HashSet::from([node.clone()]);
        let mut frontier = vec![node.clone()];
        for _ in 0..max_depth {
            let mut next = Vec::new();
            for (key, edge) in self.step(&frontier, direction).await? {
                for end in [&edge.from, &edge.to] {
                    if visited.insert(end.clone()) {
                        next.push(end.clone());
                    }
                }
                if seen.insert(key) {
                    edges.push(edge);
                }
            }
            if next.is_empty() {
                break;
            }
            frontier = next;
        }
        Ok(edges)
    }

    /// The edges at these nodes, oldest first.
    async fn step(&self, nodes: &[Ref], direction: Direction) -> Result<Vec<(String, Edge)>> {
        let edges = quoted(EDGES)?;
        let arrow = match direction {
            Direction::Outgoing => format!("->{edges}"),
            Direction::Incoming => format!("<-{edges}"),
            Direction::Both => format!("<->{edges}"),
        };
        let mut found = Vec::new();
        for node in nodes {
            let binds = Binds::default().with("node", record_id(&node.table, &node.id));
            let text = format!("SELECT id, in, out, kind, at, doc FROM $node{arrow}");
            let mut results = self.0.run(&text, &binds).await?;
            let value: Db = results.take(0).map_err(|error| self.0.name(&error))?;
            for row in rows(value) {
                found.push(read(row)?);
            }
        }
        found.sort_by(|(a_key, a), (b_key, b)| a.at.cmp(&b.at).then_with(|| a_key.cmp(b_key)));
        found.dedup_by(|(a, _), (b, _)| a == b);
        Ok(found)
    }
}

/// Binds an edge's parts and returns the statement that adds it.
pub(crate) fn bind(edge: &Edge, step: usize, binds: &mut Binds) -> Result<String> {
    let data = encode::to_json(&edge.data)
        .map_err(|reason| Error::BadValue { what: format!("the data of an edge {}", edge.kind), reason })?;
    let mut content = Object::new();
    content.insert("kind", edge.kind.clone());
    content.insert("at", edge.at.to_string());
    content.insert("doc", data.to_string());
    binds.set(format!("from{step}"), record_id(&edge.from.table, &edge.from.id));
    binds.set(format!("to{step}"), record_id(&edge.to.table, &edge.to.id));
    binds.set(format!("edge{step}"), record_id(EDGES, &key(edge)));
    binds.set(format!("row{step}"), Db::Object(content));
    Ok(format!("RELATE OR UPDATE $from{step}->$edge{step}->$to{step} CONTENT $row{step} RETURN NONE"))
}

/// The edge's identity.
fn key(edge: &Edge) -> String {
    serde_json::json!([edge.kind, edge.from.table, edge.from.id, edge.to.table, edge.to.id]).to_string()
}

/// Key and edge of a selected row.
pub(crate) fn read(row: Db) -> Result<(String, Edge)> {
    let broken = |what: &str| row::decode_error("edge", "", format!("it has no {what}"));
    let Db::Object(mut row) = row else { return Err(broken("content")) };
    let end = |value: Option<&Db>, what: &str| {
        let (table, id) = value.and_then(key_of).ok_or_else(|| broken(what))?;
        Ok::<_, Error>(Ref { table, id })
    };
    let (from, to) = (end(row.get("in"), "start")?, end(row.get("out"), "end")?);
    let key = row.get("id").and_then(key_of).map(|(_, id)| id).ok_or_else(|| broken("id"))?;
    let kind = take_text(&mut row, "kind").ok_or_else(|| broken("kind"))?;
    let at = take_text(&mut row, "at").and_then(|at| at.parse().ok()).ok_or_else(|| broken("time"))?;
    let doc = take_text(&mut row, "doc").ok_or_else(|| broken("data"))?;
    let data = row::parse("edge", &key, &doc)?;
    Ok((key, Edge { kind, from, to, at, data }))
}
