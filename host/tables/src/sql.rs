//! Read-only SQL over dataset files.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use arrow::array::RecordBatch;
use datafusion::{
    dataframe::DataFrame,
    error::DataFusionError,
    execution::{
        context::{SQLOptions, SessionConfig, SessionContext},
        memory_pool::{FairSpillPool, TrackConsumersPool},
        options::ParquetReadOptions,
        runtime_env::RuntimeEnvBuilder,
    },
    sql::{
        parser::{DFParser, Statement},
        sqlparser::ast,
    },
};
use futures::StreamExt;
use modelyard_blobs::Digest;
use tokio::runtime::{Builder, Runtime};

use crate::{
    Error, FileInfo, Result, Schema,
    columns::conform,
    dataset::{Files, Source, Writer},
};

/// Runs queries on threads of its own, so that a heavy one doesn't hold up
/// whoever answers requests.
pub(crate) struct Engine {
    runtime: Option<Runtime>,
    memory: usize,
    timeout: Duration,
    tmp: PathBuf,
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A table that a query can name, and its files.
type Named<'a> = (&'a str, Vec<Digest>);

impl Engine {
    pub(crate) fn new(memory: usize, timeout: Duration, tmp: PathBuf) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("tables-query")
            .enable_all()
            .build()
            .map_err(Error::at(&tmp))?;
        Ok(Self { runtime: Some(runtime), memory, timeout, tmp })
    }

    /// A context that knows the tables and nothing else: no files, no
    /// settings, no other catalogue. In one partition a query gives its rows in
    /// the same order each time; in more, as they come.
    async fn context(
        &self,
        files: &Files,
        tables: &[Named<'_>],
        partitions: usize,
    ) -> Result<SessionContext> {
        let top = std::num::NonZeroUsize::MIN;
        let pool = TrackConsumersPool::new(FairSpillPool::new(self.memory), top);
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .with_temp_file_path(&self.tmp)
            .build_arc()
            .map_err(|error| fault(&error))?;
        let mut config =
            SessionConfig::new().with_target_partitions(partitions).with_information_schema(false);
        config.options_mut().execution.parquet.schema_force_view_types = false;
        let context = SessionContext::new_with_config_rt(config, environment);
        for (name, digests) in tables {
            let sources = files.open(digests).await?;
            let schema = Schema::unify(sources.iter().map(Source::schema)).to_arrow();
            let mut frame: Option<DataFrame> = None;
            for paths in distinct(sources.iter().filter_map(Source::url)) {
                let options = ParquetReadOptions::new().schema(&schema);
                let options = ParquetReadOptions { file_extension: "", ..options };
                let read = context.read_parquet(paths, options).await.map_err(|e| fault(&e))?;
                frame = Some(match frame {
                    None => read,
                    Some(frame) => frame.union(read).map_err(|e| fault(&e))?,
                });
            }
            let frame = frame.ok_or_else(|| Error::invalid(format!("table {name:?} has no files")))?;
            context
                .register_table(datafusion::common::TableReference::bare(*name), frame.into_view())
                .map_err(|error| fault(&error))?;
        }
        Ok(context)
    }

    async fn plan(
        &self,
        files: &Files,
        query: &str,
        tables: &[Named<'_>],
        partitions: usize,
    ) -> Result<DataFrame> {
        check(query)?;
        let context = self.context(files, tables, partitions).await?;
        let options =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        context.sql_with_options(query, options).await.map_err(|error| fault(&error))
    }

    /// Runs work on the engine's threads, no longer than the time limit.
    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let runtime = self.runtime.as_ref().ok_or(Error::Closed)?;
        let task = runtime.spawn(work);
        let abort = task.abort_handle();
        match tokio::time::timeout(self.timeout, task).await {
            Ok(done) => done.unwrap_or_else(|error| Err(Error::Query(error.to_string()))),
            Err(_) => {
                abort.abort();
                Err(Error::Timeout(self.timeout))
            }
        }
    }

    pub(crate) async fn query(
        &self,
        files: &Files,
        query: &str,
        tables: &[Named<'_>],
        limit: Option<usize>,
    ) -> Result<(Schema, Vec<RecordBatch>)> {
        let mut frame = self.plan(files, query, tables, 2).await?;
        if limit.is_some() {
            frame = frame.limit(0, limit).map_err(|error| fault(&error))?;
        }
        self.run(async move {
            let schema = Schema::from_arrow(frame.schema().as_arrow())?;
            let batches = frame.collect().await.map_err(|error| fault(&error))?;
            let batches = batches.iter().map(|batch| conform(batch, &schema)).collect::<Result<_>>()?;
            Ok((schema, batches))
        })
        .await
    }

    /// The rows of a query as a file: of the same tables the same file, since
    /// what is trained on its rows and what their order decides (the split, the
    /// order of sums) must repeat.
    pub(crate) async fn write(&self, files: &Files, query: &str, tables: &[Named<'_>]) -> Result<FileInfo> {
        let frame = self.plan(files, query, tables, 1).await?;
        let files = files.clone();
        let fill = async move {
            let schema = Schema::from_arrow(frame.schema().as_arrow())?;
            let mut stream = frame.execute_stream().await.map_err(|error| fault(&error))?;
            let mut writer: Writer = files.writer(&schema)?;
            while let Some(batch) = stream.next().await {
                writer.push(&batch.map_err(|error| fault(&error))?)?;
            }
            Ok(writer)
        };
        self.run(fill).await?.finish().await
    }
}

impl Source {
    /// Where DataFusion finds a file.
    fn url(&self) -> Option<String> {
        match self {
            Self::File { path, .. } => Some(path.display().to_string()),
            Self::Memory { .. } => None,
        }
    }
}

/// Paths in groups that have none twice: the same rows that were written twice
/// are one file, and a reader of many files reads each once.
fn distinct(paths: impl Iterator<Item = String>) -> Vec<Vec<String>> {
    let mut groups: Vec<Vec<String>> = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for path in paths {
        let times = seen.entry(path.clone()).or_default();
        match groups.get_mut(*times) {
            Some(group) => group.push(path),
            None => groups.push(vec![path]),
        }
        *times += 1;
    }
    groups
}

/// Exactly one SELECT (or VALUES, or a set operation of such).
fn check(query: &str) -> Result<()> {
    let statements = DFParser::parse_sql(query).map_err(|error| Error::Query(error.to_string()))?;
    let statement = match (statements.len(), statements.front()) {
        (1, Some(Statement::Statement(statement))) => statement,
        (1, Some(other)) => return Err(Error::NotReadOnly(format!("this is {other}"))),
        (count, _) => return Err(Error::NotReadOnly(format!("these are {count} statements"))),
    };
    match statement.as_ref() {
        ast::Statement::Query(_) => Ok(()),
        other => {
            let text = other.to_string();
            let verb = text.split_whitespace().next().unwrap_or_default().to_uppercase();
            Err(Error::NotReadOnly(format!("this is {verb}")))
        }
    }
}

fn fault(error: &DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(message) => {
            Error::Memory(message.lines().next().unwrap_or_default().to_owned())
        }
        DataFusionError::IoError(error) if modelyard_blobs::is_full(error) => {
            Error::Full(format!("temporary files of a query ({error})"))
        }
        other => Error::Query(other.strip_backtrace()),
    }
}
