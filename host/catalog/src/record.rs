use serde::{Serialize, de::DeserializeOwned};

/// Something that is kept in a table of its own.
pub trait Record: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The table's name: letters, digits and underscores.
    const TABLE: &'static str;
    /// The table's indexes; changing this list changes them when the table is next defined.
    const INDEXES: &'static [Index] = &[];
    /// How long records are kept; none: until somebody deletes them. See
    /// [`Catalog::prune`](crate::Catalog::prune).
    const KEPT: Option<Kept> = None;

    /// The record's identity within its table: any text, unicode, slashes and quotes included.
    fn id(&self) -> String;
}

/// How long the records of a table are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The field with the time from which it counts; it should have an index.
    pub from: &'static str,
    /// Days of 24 hours.
    pub days: u32,
}

/// One index of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Index {
    /// The fields, outermost first; nested ones as `a.b`.
    pub fields: &'static [&'static str],
    /// Whether two records may not have the same values. Records that have none
    /// of the fields (absent or null) are not held to it.
    pub unique: bool,
}

impl Index {
    /// An index that makes looking up and ordering by these fields fast.
    pub const fn on(fields: &'static [&'static str]) -> Self {
        Self { fields, unique: false }
    }

    /// An index that also refuses a second record with the same values.
    pub const fn unique(fields: &'static [&'static str]) -> Self {
        Self { fields, unique: true }
    }

    /// The index's name in the database: whether it is unique, and its fields.
    pub(crate) fn name(&self) -> String {
        let prefix = if self.unique { UNIQUE } else { "on " };
        format!("{prefix}{}", self.fields.join(", "))
    }
}

/// How the names of unique indexes begin.
pub(crate) const UNIQUE: &str = "unique ";

/// Which state of a record was read. Every write gives the record another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision(pub(crate) i64);
