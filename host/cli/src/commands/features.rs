//! `modelyard features`.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::When;
use crate::{
    context::{Context, Limit, Wait},
    document::{Begin, Parameter, Spec, Usage},
    output::Column,
};

const VIEWS: &[Column] = &[
    ("NAME", "name"),
    ("VERSION", "version"),
    ("KEYS", "keys"),
    ("DATASETS", "datasets"),
    ("ROWS", "materialized.rows"),
    ("MATERIALISED", "materialized.at"),
    ("ONLINE", "online"),
];

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  modelyard features lookup weather --key airport=JFK")]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Views: features by entity and time.
    #[command(subcommand)]
    View(View),
    /// Compute a view's rows and its latest values.
    Materialize {
        /// The view.
        name: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// Look up the latest values of entities.
    Lookup {
        /// The view.
        name: String,
        /// An entity's keys: airport=JFK, or airport=JFK,carrier=AA; repeat it for more entities.
        #[arg(long = "key", required = true, value_name = "NAME=VALUE,…")]
        keys: Vec<String>,
    },
    /// Rank a dataset's columns by what they say about a target.
    Select {
        /// The dataset, flights or flights@12.
        #[arg(long)]
        dataset: String,
        /// The column that the others are to say something about.
        #[arg(long, value_name = "COLUMN")]
        target: String,
        /// The selection plugin.
        #[arg(long)]
        plugin: String,
        /// A parameter of the plugin; may be repeated.
        #[arg(long = "param", value_name = "NAME=VALUE")]
        parameters: Vec<Parameter>,
    },
}

#[derive(Debug, Subcommand)]
enum View {
    /// Create a view or change its definition.
    #[command(
        after_help = "Example:\n  modelyard features view put weather --dataset weather --key origin --event-time time_hour"
    )]
    Put(Box<PutView>),
    /// List the views.
    List(Limit),
    /// Show a view.
    Show {
        /// The view.
        name: String,
    },
    /// Remove a view; training sets made from it stay.
    Delete {
        /// The view.
        name: String,
    },
}

#[derive(Debug, Args)]
struct PutView {
    #[command(flatten)]
    begin: Begin,
    /// The dataset that it reads; or give --sql.
    #[arg(long)]
    dataset: Option<String>,
    /// A SELECT over datasets by name; or give --dataset.
    #[arg(long)]
    sql: Option<String>,
    /// A column that says which entity a row is about; may be repeated.
    #[arg(long = "key", value_name = "COLUMN")]
    keys: Vec<String>,
    /// The column that says from when a row is known.
    #[arg(long, value_name = "COLUMN")]
    event_time: Option<String>,
    /// A feature column; may be repeated; by default all but keys and times.
    #[arg(long = "column", value_name = "COLUMN")]
    columns: Vec<String>,
    /// Seconds after which a value is too old to use.
    #[arg(long, value_name = "SECONDS")]
    ttl_seconds: Option<u64>,
    /// Whether the latest values are kept for serving.
    #[arg(long, value_name = "BOOL")]
    online: Option<bool>,
    #[command(flatten)]
    when: When,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self.verb {
            Verb::View(verb) => view(context, verb).await,
            Verb::Materialize { name, wait } => {
                context.post(&["features", "views", &name, "materialize"], None, !wait.no_wait).await
            }
            Verb::Lookup { name, keys } => {
                let keys = keys.iter().map(|entity| self::entity(entity)).collect::<Result<Vec<_>, _>>()?;
                context
                    .post(&["features", "views", &name, "lookup"], Some(&json!({"keys": keys})), false)
                    .await
            }
            Verb::Select { dataset, target, plugin, parameters } => {
                let ask = Spec::default().set("plugin", Some(plugin)).set("dataset", Some(dataset));
                let ask = ask.set("target", Some(target)).set("parameters", Some(json!({})));
                let ask = ask.parameters("parameters", &parameters).done();
                context.post(&["features", "select"], Some(&ask), false).await
            }
        }
    }
}

async fn view(context: &Context, verb: View) -> Result<()> {
    const PATH: &[&str] = &["features", "views"];
    match verb {
        View::Put(put) => {
            let spec =
                put.begin.spec()?.set("dataset", put.dataset).set("sql", put.sql).list("keys", &put.keys);
            let spec = spec.set("event_time", put.event_time).list("columns", &put.columns);
            let spec = spec.set("ttl_seconds", put.ttl_seconds).set("online", put.online);
            context.put(PATH, &[], &put.when.put(spec).done(), "view").await
        }
        View::List(limit) => context.list(PATH, &[], limit, VIEWS).await,
        View::Show { name } => context.show(&["features", "views", &name], &[]).await,
        View::Delete { name } => {
            context.delete(&["features", "views", &name], &format!("view {name} is gone")).await
        }
    }
}

/// `a=1,b=x` as `{"a": 1, "b": "x"}`.
fn entity(text: &str) -> Result<Value> {
    let mut members = Map::new();
    for part in text.split(',') {
        let parameter: Parameter = part.parse().map_err(Usage::new)?;
        members.insert(parameter.name, parameter.value);
    }
    Ok(Value::Object(members))
}
