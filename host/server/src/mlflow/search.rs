//! Lists and searches of the registry, which are made in memory and cut into
//! pages here.

use modelyard_lifecycle::{
    Platform,
    tracking::store::search::{Filter, Kind, Order},
};

use super::{error::Result, request::Fields};

/// What a search asks for.
pub(super) struct Search {
    pub(super) filter: Filter,
    pub(super) order: Order,
    pub(super) page: Page,
}

impl Search {
    /// What the fields of a request ask for: pages of `default` entries, and of
    /// `most` at most. Its tokens go on with `list` in this filter and order.
    pub(super) fn read(
        platform: &Platform,
        fields: &Fields,
        kind: Kind,
        list: &str,
        (default, most): (i64, i64),
    ) -> Result<Self> {
        let most = fields.page(default, most)?;
        let text = fields.text("filter")?;
        let orders = fields.texts("order_by")?;
        let (filter, order) = (Filter::parse(kind, text)?, Order::parse(kind, &orders)?);
        let mut query = vec![list.to_owned(), text.to_owned()];
        query.extend(orders);
        Ok(Self { filter, order, page: Page::open(platform, fields, query, most)? })
    }
}

/// A page of a list.
pub(super) struct Page {
    /// What the tokens of this list go on with.
    query: Vec<String>,
    offset: u64,
    most: i64,
}

impl Page {
    /// The page that a request's token names; the first, if it has none.
    pub(super) fn open(platform: &Platform, fields: &Fields, query: Vec<String>, most: i64) -> Result<Self> {
        let offset = platform.tracking.tokens().open(&texts(&query), fields.filled("page_token")?)?;
        Ok(Self { query, offset, most })
    }

    /// What of all that was found is on the page, and the token for the next.
    pub(super) fn cut<T>(&self, platform: &Platform, found: Vec<T>) -> (Vec<T>, Option<String>) {
        let offset = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let most = usize::try_from(self.most).unwrap_or(usize::MAX);
        let end = offset.saturating_add(most);
        let next = || platform.tracking.tokens().seal(&texts(&self.query), end as u64);
        let token = (found.len() > end).then(next);
        (found.into_iter().skip(offset).take(most).collect(), token)
    }
}

fn texts(query: &[String]) -> Vec<&str> {
    query.iter().map(String::as_str).collect()
}
