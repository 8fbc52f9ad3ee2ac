//! Point-in-time joins: for each row of a spine, what was known of its
//! entities at its moment, and nothing that came later.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array},
    compute::{concat_batches, take},
    datatypes::TimestampMicrosecondType,
    row::{RowConverter, Rows, SortField},
};
use modelyard_blobs::Digest;
use modelyard_clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ColumnType, Error, Field, FileInfo, Result, Scanner, Schema, TimeRange,
    columns::{batch, cast_to},
    dataset::{Files, Filter},
    predictions::blocking,
};

/// How views are joined to a spine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointInTime {
    /// The spine's column that says of which moment each row is.
    pub event_time: String,
    /// The views, joined from left to right.
    pub views: Vec<ViewJoin>,
}

/// One feature view of a point-in-time join.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewJoin {
    /// The view's name, for messages.
    pub name: String,
    /// Its rows.
    pub files: Vec<Digest>,
    /// Which spine column equals which view column; at least one.
    pub entity_keys: Vec<(String, String)>,
    /// The view's column that says since when a row's values hold.
    pub event_time: String,
    /// Of rows with the same key and event time, the one greatest here counts;
    /// without it, the one written last.
    #[serde(default)]
    pub created_at: Option<String>,
    /// How old a row may be; a row exactly as old still counts. None: any age.
    #[serde(default)]
    pub ttl: Option<Duration>,
    /// The view's columns to add.
    pub columns: Vec<String>,
    /// Their names in the result where they differ.
    #[serde(default)]
    pub rename: BTreeMap<String, String>,
}

/// A view in memory, ordered for searching.
struct View {
    /// The columns to add.
    values: RecordBatch,
    /// Group by key.
    groups: HashMap<Box<[u8]>, std::ops::Range<usize>>,
    /// Row numbers by group, then event time, then creation, then position.
    order: Vec<u32>,
    /// Event times in that order.
    times: Vec<i64>,
    converter: RowConverter,
    key_types: Vec<ColumnType>,
    ttl: Option<i64>,
}

fn timestamp_field<'a>(schema: &'a Schema, name: &str, place: &str) -> Result<&'a Field> {
    let field = schema.field(name).ok_or_else(|| Error::no_column(name, place, schema.names()))?;
    if field.r#type == ColumnType::Timestamp {
        return Ok(field);
    }
    Err(Error::Type {
        column: name.to_owned(),
        found: field.r#type.to_string(),
        expected: ColumnType::Timestamp,
        row: None,
    })
}

fn times(batch: &RecordBatch, column: &str) -> Result<Vec<Option<i64>>> {
    let array = batch.column_by_name(column).and_then(|a| a.as_primitive_opt::<TimestampMicrosecondType>());
    let array = array.ok_or_else(|| Error::no_column(column, "for the event time", []))?;
    Ok(array.iter().collect())
}

/// Key columns, cast to the types that both sides have in common.
fn keys(data: &RecordBatch, names: &[&str], types: &[ColumnType]) -> Result<Vec<ArrayRef>> {
    let cast = |(name, r#type): (&&str, &ColumnType)| {
        let array = data.column_by_name(name).ok_or_else(|| Error::no_column(name, "for a key", []))?;
        cast_to(name, array, *r#type)
    };
    names.iter().zip(types).map(cast).collect()
}

/// The key of a row; none if one of its parts is null.
fn key<'a>(rows: &'a Rows, arrays: &[ArrayRef], row: usize) -> Option<&'a [u8]> {
    (!arrays.iter().any(|array| array.is_null(row))).then(|| rows.row(row).data())
}

/// What the views need of the spine.
pub(crate) struct Spine {
    scanner: Scanner,
    event_time: String,
    /// The first and the last moment asked for.
    bounds: Option<(Timestamp, Timestamp)>,
}

impl Spine {
    fn new(scanner: Scanner, mut moments: Scanner, event_time: &str) -> Result<Self> {
        let mut bounds: Option<(i64, i64)> = None;
        for batch in &mut moments {
            for time in times(&batch?, event_time)?.into_iter().flatten() {
                bounds = Some(bounds.map_or((time, time), |(a, b)| (a.min(time), b.max(time))));
            }
        }
        let bounds = bounds.map(|(a, b)| (Timestamp::from_micros(a), Timestamp::from_micros(b)));
        Ok(Self { scanner, event_time: event_time.to_owned(), bounds })
    }
}

impl ViewJoin {
    fn place(&self) -> String {
        format!("in view {:?}", self.name)
    }

    fn output(&self, column: &str) -> String {
        self.rename.get(column).cloned().unwrap_or_else(|| column.to_owned())
    }

    /// The columns that come out, checked against spine and view.
    fn fields(&self, spine: &Schema, view: &Schema) -> Result<Vec<Field>> {
        if self.entity_keys.is_empty() {
            return Err(Error::invalid(format!(
                "view {:?} is joined by no key; name at least one",
                self.name
            )));
        }
        timestamp_field(view, &self.event_time, &self.place())?;
        for (left, right) in &self.entity_keys {
            if spine.field(left).is_none() {
                return Err(Error::no_column(left, "in the spine", spine.names()));
            }
            if view.field(right).is_none() {
                return Err(Error::no_column(right, self.place(), view.names()));
            }
        }
        if let Some(created) = &self.created_at {
            timestamp_field(view, created, &self.place())?;
        }
        let field = |name: &String| {
            let field = view.field(name).ok_or_else(|| Error::no_column(name, self.place(), view.names()))?;
            Ok(Field::new(self.output(name), field.r#type))
        };
        self.columns.iter().map(field).collect()
    }

    /// The types in which keys are compared.
    fn key_types(&self, spine: &Schema, view: &Schema) -> Vec<ColumnType> {
        let common = |(left, right): &(String, String)| {
            Some(spine.field(left)?.r#type.unify(view.field(right)?.r#type))
        };
        self.entity_keys.iter().filter_map(common).collect()
    }

    /// Rows that no moment of the spine can see are not even read.
    fn filter(&self, bounds: Option<(Timestamp, Timestamp)>) -> Filter {
        let range = bounds.map(|(first, last)| TimeRange {
            column: self.event_time.clone(),
            from: self.ttl.map(|ttl| first - ttl),
            to: Some(last + Duration::from_micros(1)),
        });
        Filter { range, ..Filter::default() }
    }

    /// Every column of the view that the join looks at, each once.
    fn needed(&self) -> Vec<String> {
        let mut seen = HashSet::new();
        let keys = self.entity_keys.iter().map(|(_, right)| right);
        let all = keys.chain([&self.event_time]).chain(&self.created_at).chain(&self.columns);
        all.filter(|name| seen.insert(name.as_str())).cloned().collect()
    }
}

impl View {
    fn load(join: &ViewJoin, scanner: Scanner, key_types: Vec<ColumnType>) -> Result<Self> {
        let schema = scanner.schema().to_arrow();
        let batches = scanner.collect::<Result<Vec<_>>>()?;
        let data = concat_batches(&schema, &batches)?;
        drop(batches);
        if u32::try_from(data.num_rows()).is_err() {
            return Err(Error::invalid(format!(
                "view {:?} has {} rows in the spine's time; at most 4 billion can be joined",
                join.name,
                data.num_rows()
            )));
        }
        let names: Vec<&str> = join.entity_keys.iter().map(|(_, right)| right.as_str()).collect();
        let arrays = keys(&data, &names, &key_types)?;
        let fields = key_types.iter().map(|t| SortField::new(t.to_arrow())).collect();
        let converter = RowConverter::new(fields)?;
        let rows = converter.convert_columns(&arrays)?;
        let events = times(&data, &join.event_time)?;
        let created = join.created_at.as_ref().map(|column| times(&data, column)).transpose()?;
        // Group numbers first, then one sort of plain integers.
        let mut numbers: HashMap<&[u8], u32> = HashMap::new();
        let mut sorted: Vec<(u32, i64, Option<i64>, u32)> = Vec::with_capacity(data.num_rows());
        for (row, event) in events.iter().enumerate() {
            let (Some(event), Some(key)) = (event, key(&rows, &arrays, row)) else { continue };
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            let group = *numbers.entry(key).or_insert(next);
            let created = created.as_ref().and_then(|created| created.get(row).copied().flatten());
            sorted.push((group, *event, created, u32::try_from(row).unwrap_or(u32::MAX)));
        }
        sorted.sort_unstable();
        let mut ranges: Vec<std::ops::Range<usize>> = Vec::with_capacity(numbers.len());
        let mut start = 0;
        for chunk in sorted.chunk_by(|a, b| a.0 == b.0) {
            ranges.push(start..start + chunk.len());
            start += chunk.len();
        }
        let range = |group: u32| ranges.get(usize::try_from(group).ok()?).cloned();
        let groups =
            numbers.iter().filter_map(|(key, group)| Some(((*key).into(), range(*group)?))).collect();
        let chosen = join.columns.iter().map(|name| {
            let index = data.schema().index_of(name)?;
            Ok(index)
        });
        let values = data.project(&chosen.collect::<Result<Vec<_>>>()?)?;
        Ok(Self {
            values,
            groups,
            order: sorted.iter().map(|(_, _, _, row)| *row).collect(),
            times: sorted.iter().map(|(_, event, _, _)| *event).collect(),
            converter,
            key_types,
            ttl: join.ttl.map(|ttl| i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX)),
        })
    }

    /// The view's values for every row of a spine batch.
    fn lookup(&self, spine: &RecordBatch, names: &[&str], moments: &[Option<i64>]) -> Result<Vec<ArrayRef>> {
        let arrays = keys(spine, names, &self.key_types)?;
        let rows = self.converter.convert_columns(&arrays)?;
        let find = |(row, moment): (usize, &Option<i64>)| {
            let moment = (*moment)?;
            let range = self.groups.get(key(&rows, &arrays, row)?)?.clone();
            let times = self.times.get(range.clone())?;
            // The last row that isn't in the future.
            let last = times.partition_point(|time| *time <= moment).checked_sub(1)?;
            let young =
                self.ttl.is_none_or(|ttl| times.get(last).is_some_and(|t| moment.saturating_sub(*t) <= ttl));
            young.then(|| self.order.get(range.start + last).copied())?
        };
        let indices: UInt32Array = moments.iter().enumerate().map(find).collect();
        self.values.columns().iter().map(|array| Ok(take(array, &indices, None)?)).collect()
    }
}

/// Joins views to a spine; see [`crate::Tables::point_in_time_join`].
pub(crate) async fn run(files: &Files, spine: &[Digest], how: PointInTime) -> Result<FileInfo> {
    let sources = files.open(spine).await?;
    let event_time = how.event_time.clone();
    let spine = blocking(move || {
        let scanner = Scanner::filtered(sources.clone(), Filter::default(), None, 65_536)?;
        timestamp_field(scanner.schema(), &event_time, "in the spine")?;
        let only = Some(vec![event_time.clone()]);
        let moments = Scanner::filtered(sources, Filter::default(), only.as_deref(), 65_536)?;
        Spine::new(scanner, moments, &event_time)
    })
    .await?;
    let mut views = Vec::new();
    for view in how.views {
        let sources = files.open(&view.files).await?;
        views.push((view, sources));
    }
    let files = files.clone();
    let writer = blocking(move || {
        let schema = spine.scanner.schema().clone();
        let mut fields = schema.fields.clone();
        let mut loaded = Vec::new();
        for (view, sources) in views {
            let whole = Schema::unify(sources.iter().map(crate::dataset::Source::schema));
            fields.extend(view.fields(&schema, &whole)?);
            let types = view.key_types(&schema, &whole);
            let needed = view.needed();
            let scanner = Scanner::filtered(sources, view.filter(spine.bounds), Some(&needed), 65_536)?;
            loaded.push((View::load(&view, scanner, types)?, view));
        }
        let output = Schema::new(fields)?;
        let mut writer = files.writer(&output)?;
        for data in spine.scanner {
            let data = data?;
            let moments = times(&data, &spine.event_time)?;
            let mut arrays = data.columns().to_vec();
            for (view, join) in &loaded {
                let names: Vec<&str> = join.entity_keys.iter().map(|(left, _)| left.as_str()).collect();
                arrays.extend(view.lookup(&data, &names, &moments)?);
            }
            writer.push(&batch(&output, arrays, data.num_rows())?)?;
        }
        Ok(writer)
    })
    .await?;
    writer.finish().await
}
