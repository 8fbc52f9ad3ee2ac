use std::marker::PhantomData;

use serde_json::Value;
use surrealdb::types::{Object, Value as Db};

use crate::{
    Catalog, Error, Page, Query, Record, Result, Revision,
    cursor::Cursor,
    query::DEFAULT_LIMIT,
    row::{self, Row},
    select,
    store::{Binds, Failure, key_of, record_id, rows, take_text},
};

/// Most rows that are asked of the database at once.
const BATCH: usize = 1000;

/// The records of one type. A cheap handle.
pub struct Table<R> {
    catalog: Catalog,
    record: PhantomData<fn() -> R>,
}

impl<R> Clone for Table<R> {
    fn clone(&self) -> Self {
        Self { catalog: self.catalog.clone(), record: PhantomData }
    }
}

impl<R: Record> Table<R> {
    pub(crate) fn new(catalog: Catalog) -> Self {
        Self { catalog, record: PhantomData }
    }

    /// The record with this id, if there is one.
    pub async fn get(&self, id: &str) -> Result<Option<R>> {
        Ok(self.get_revision(id).await?.map(|(record, _)| record))
    }

    /// The record with this id and which state of it this is,
    /// for [`crate::Transaction::require_unchanged`].
    pub async fn get_revision(&self, id: &str) -> Result<Option<(R, Revision)>> {
        self.catalog.ensure::<R>().await?;
        let binds = Binds::default().with("id", record_id(R::TABLE, id));
        let found = self.select("SELECT doc, rev FROM $id", &binds).await?;
        let Some(Db::Object(mut row)) = found.into_iter().next() else { return Ok(None) };
        let (Some(doc), Some(Db::Number(rev))) = (take_text(&mut row, "doc"), row.remove("rev")) else {
            return Err(row::decode_error(
                R::TABLE,
                id,
                "the row was not written by this program".to_owned(),
            ));
        };
        let record = row::decode(id, row::parse(R::TABLE, id, &doc)?)?;
        Ok(Some((record, Revision(rev.to_int().unwrap_or_default()))))
    }

    /// The record with this id, or [`Error::NotFound`].
    pub async fn require(&self, id: &str) -> Result<R> {
        self.get(id).await?.ok_or_else(|| Self::missing(id))
    }

    /// Whether there is a record with this id.
    pub async fn exists(&self, id: &str) -> Result<bool> {
        self.catalog.ensure::<R>().await?;
        let binds = Binds::default().with("id", record_id(R::TABLE, id));
        Ok(!self.select("SELECT VALUE rev FROM $id", &binds).await?.is_empty())
    }

    /// One page of the records that match. Pages stay right while records are added and
    /// deleted: none is shown twice, none that stays is left out.
    ///
    /// # Errors
    /// [`Error::BadCursor`], [`Error::BadField`], [`Error::BadValue`].
    pub async fn find(&self, query: Query) -> Result<Page<R>> {
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        let mut page = Page { items: Vec::new(), next: None };
        let mut query = query;
        while page.items.len() < limit {
            let want = (limit - page.items.len()).min(BATCH);
            let (mut items, next) = self.batch(&query, want).await?;
            page.items.append(&mut items);
            page.next.clone_from(&next);
            if next.is_none() {
                break;
            }
            query.after = next;
        }
        Ok(page)
    }

    /// All records that match, whatever the query's limit; read page by page.
    pub async fn all(&self, mut query: Query) -> Result<Vec<R>> {
        let mut all = Vec::new();
        loop {
            let (mut items, next) = self.batch(&query, BATCH).await?;
            all.append(&mut items);
            if next.is_none() {
                return Ok(all);
            }
            query.after = next;
        }
    }

    /// The first record that matches.
    pub async fn first(&self, query: Query) -> Result<Option<R>> {
        Ok(self.batch(&query, 1).await?.0.into_iter().next())
    }

    /// How many records match, whatever the query's limit and cursor.
    pub async fn count(&self, query: Query) -> Result<u64> {
        self.catalog.ensure::<R>().await?;
        let select = select::count(R::TABLE, &query)?;
        let found = self.select(&select.text, &select.binds).await?;
        let Some(Db::Object(mut row)) = found.into_iter().next() else { return Ok(0) };
        match row.remove("count") {
            Some(Db::Number(number)) => Ok(number.to_int().and_then(|n| u64::try_from(n).ok()).unwrap_or(0)),
            _ => Ok(0),
        }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// [`Error::Exists`] if its id or a unique value is taken, [`Error::BadValue`] if it can't be kept.
    pub async fn insert(&self, record: &R) -> Result<()> {
        self.write("CREATE $id CONTENT $row RETURN NONE", record).await
    }

    /// Adds a record or replaces the one with its id.
    ///
    /// # Errors
    /// [`Error::Exists`] if a unique value is taken, [`Error::BadValue`] if it can't be kept.
    pub async fn put(&self, record: &R) -> Result<()> {
        self.write("UPSERT $id CONTENT $row RETURN NONE", record).await
    }

    /// Changes the record with this id and returns what it became. Nobody else's change is
    /// overwritten: if the record was changed meanwhile, `change` is run again on its new
    /// state, so it must not do anything but change the record it is given.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`], [`Error::Exists`] for a unique value,
    /// [`Error::BadValue`] if the change gives the record another id.
    pub async fn update(&self, id: &str, mut change: impl FnMut(&mut R)) -> Result<R> {
        self.try_update(id, |record| {
            change(record);
            Ok::<(), Error>(())
        })
        .await
    }

    /// As [`Table::update`]; an error of `change` leaves the record as it is.
    pub async fn try_update<E: From<Error>>(
        &self,
        id: &str,
        mut change: impl FnMut(&mut R) -> Result<(), E>,
    ) -> Result<R, E> {
        let _queue = self.catalog.0.queue_for(R::TABLE, id).await;
        let mut attempts = 0;
        let start = std::time::Instant::now();
        loop {
            attempts += 1;
            let (mut record, revision) = self.get_revision(id).await?.ok_or_else(|| Self::missing(id))?;
            change(&mut record)?;
            if self.replace(id, &record, revision).await? {
                return Ok(record);
            }
            if start.elapsed() > crate::store::PATIENCE {
                return Err(Error::Conflict { attempts }.into());
            }
            crate::store::pause(attempts).await;
        }
    }

    /// Removes the record with this id and its edges; says whether there was one.
    pub async fn delete(&self, id: &str) -> Result<bool> {
        self.catalog.ensure::<R>().await?;
        let binds = Binds::default().with("id", record_id(R::TABLE, id));
        Ok(!self.select("DELETE $id RETURN VALUE $before.rev", &binds).await?.is_empty())
    }

    /// Writes the record if it is still in the state that was read.
    async fn replace(&self, id: &str, record: &R, read: Revision) -> Result<bool> {
        let row = Row::of(record)?;
        if row.id != id {
            let what = format!("{} {id:?}", R::TABLE);
            return Err(Error::BadValue {
                what,
                reason: format!("a change may not give it another id ({:?})", row.id),
            });
        }
        let binds = Binds::default()
            .with("id", record_id(R::TABLE, id))
            .with("row", row.content())
            .with("rev", Db::Number(read.0.into()));
        let text = "UPDATE $id CONTENT $row WHERE rev = $rev RETURN VALUE rev";
        match self.catalog.0.try_run(text, &binds).await? {
            Ok(mut results) => {
                let written: Db = results.take(0).map_err(|error| self.catalog.0.name(&error))?;
                Ok(!rows(written).is_empty())
            }
            Err(failure) => Err(self.name(&failure, id)),
        }
    }

    async fn write(&self, text: &str, record: &R) -> Result<()> {
        self.catalog.ensure::<R>().await?;
        let row = Row::of(record)?;
        let binds = Binds::default().with("id", record_id(R::TABLE, &row.id)).with("row", row.content());
        match self.catalog.0.try_run(text, &binds).await? {
            Ok(_) => Ok(()),
            Err(failure) => Err(self.name(&failure, &row.id)),
        }
    }

    /// One page and the cursor behind it, if there is more.
    async fn batch(&self, query: &Query, limit: usize) -> Result<(Vec<R>, Option<String>)> {
        self.catalog.ensure::<R>().await?;
        let select = select::page(R::TABLE, query, limit.saturating_add(1))?;
        let mut found = self.select(&select.text, &select.binds).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let mut items = Vec::with_capacity(found.len());
        let mut next = None;
        let last = found.len();
        for (index, row) in found.into_iter().enumerate() {
            let (id, json) = read_row(R::TABLE, row)?;
            if more && index + 1 == last {
                next = Some(Cursor::behind(query, &json, &id).write(R::TABLE, query));
            }
            items.push(row::decode(&id, json)?);
        }
        Ok((items, next))
    }

    async fn select(&self, text: &str, binds: &Binds) -> Result<Vec<Db>> {
        let mut results = self.catalog.0.run(text, binds).await?;
        let value: Db = results.take(0).map_err(|error| self.catalog.0.name(&error))?;
        Ok(rows(value))
    }

    fn name(&self, failure: &Failure, id: &str) -> Error {
        self.catalog.0.name_for(&failure.error, R::TABLE, id)
    }

    fn missing(id: &str) -> Error {
        Error::NotFound { table: R::TABLE.to_owned(), id: id.to_owned() }
    }
}

/// Id and JSON of a selected row.
pub(crate) fn read_row(table: &str, row: Db) -> Result<(String, Value)> {
    let mut row = match row {
        Db::Object(row) => row,
        _ => Object::new(),
    };
    let id = row.get("id").and_then(key_of).map(|(_, id)| id).unwrap_or_default();
    let doc = take_text(&mut row, "doc")
        .ok_or_else(|| row::decode_error(table, &id, "the row was not written by this program".to_owned()))?;
    let json = row::parse(table, &id, &doc)?;
    Ok((id, json))
}
