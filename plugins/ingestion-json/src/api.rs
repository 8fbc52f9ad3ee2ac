//! Records from an HTTP API, page after page.

use modelyard_sdk::ingest::Stream;
use modelyard_sdk::prelude::*;
use serde_json::Value;

use crate::cursor::Page;
use crate::settings::{Paging, Settings};
use crate::url;

/// A page that was fetched and how much of it was read.
pub struct Api {
    page: Page,
    items: Vec<Value>,
    /// The page after it, where there is one.
    following: Option<Page>,
}

impl Api {
    /// The first page.
    pub fn begin(settings: &Settings, paging: &Paging) -> Result<Api, Error> {
        let number = if let Paging::Page { start, .. } = paging { *start } else { 0 };
        let page = Page { url: address(settings, paging, number), number, index: 0 };
        Api::fetch(settings, paging, page)
    }

    /// The page that was left; none if it has fewer records than were read.
    pub fn resume(settings: &Settings, paging: &Paging, page: &Page) -> Result<Option<Api>, Error> {
        let api = Api::fetch(settings, paging, page.clone())?;
        Ok((api.page.index <= api.items.len()).then_some(api))
    }

    fn fetch(settings: &Settings, paging: &Paging, page: Page) -> Result<Api, Error> {
        let object = objects::open(&page.url, &settings.headers())?;
        let link = object.header("link");
        let limit = settings.given.max_page_bytes;
        let mut stream = Stream::open(object, settings.given.compression)?;
        while stream.fill()? {
            if stream.buffered().len() > limit {
                let why = format!("the page {} is longer than {limit} bytes (max_page_bytes)", page.url);
                return Err(Error::invalid(why));
            }
        }
        let mut body: Value = serde_json::from_slice(stream.buffered())
            .map_err(|error| Error::invalid(format!("the page {} is no valid JSON: {error}", page.url)))?;
        let following = following(settings, paging, &page, &body, link.as_deref())?;
        let items = match body.pointer_mut(&settings.given.records).map(Value::take) {
            Some(Value::Array(items)) => items,
            Some(Value::Null) => Vec::new(),
            other => {
                let what = if other.is_some() { "is no array" } else { "isn't there" };
                let why = format!("{:?} {what} in the page {}", settings.given.records, page.url);
                return Err(Error::parameter("/records", why));
            }
        };
        let full =
            |size: &Option<u64>| !items.is_empty() && size.is_none_or(|size| items.len() as u64 >= size);
        let following = match paging {
            Paging::Page { size, .. } if full(size) => {
                let number = page.number + 1;
                Some(Page { url: address(settings, paging, number), number, index: 0 })
            }
            Paging::Offset { limit, .. } if full(limit) => {
                let number = page.number + items.len() as u64;
                Some(Page { url: address(settings, paging, number), number, index: 0 })
            }
            Paging::Page { .. } | Paging::Offset { .. } => None,
            _ => following,
        };
        Ok(Api { page, items, following })
    }

    /// Where it is left.
    pub fn place(&self) -> Page {
        self.page.clone()
    }

    /// Whether no record follows; fetches the next page to see it.
    pub fn at_end(&mut self, settings: &Settings, paging: &Paging) -> Result<bool, Error> {
        while self.page.index >= self.items.len() {
            let Some(page) = self.following.take() else { return Ok(true) };
            *self = Api::fetch(settings, paging, page)?;
        }
        Ok(false)
    }

    /// The next record of this page.
    pub fn take(&mut self) -> Option<Value> {
        let item = self.items.get_mut(self.page.index)?;
        self.page.index += 1;
        Some(item.take())
    }
}

/// The URL of a page that is known by its number.
fn address(settings: &Settings, paging: &Paging, number: u64) -> String {
    let base = &settings.given.url;
    match paging {
        Paging::Page { parameter, .. } => url::with_query(base, parameter, &number.to_string()),
        Paging::Offset { parameter, limit_parameter, limit } => {
            let paged = url::with_query(base, parameter, &number.to_string());
            match (limit_parameter, limit) {
                (Some(parameter), Some(limit)) => url::with_query(&paged, parameter, &limit.to_string()),
                _ => paged,
            }
        }
        _ => base.clone(),
    }
}

/// The page that a page names as the next.
fn following(
    settings: &Settings,
    paging: &Paging,
    page: &Page,
    body: &Value,
    link: Option<&str>,
) -> Result<Option<Page>, Error> {
    let next = match paging {
        Paging::Page { .. } | Paging::Offset { .. } => None,
        Paging::Cursor { parameter, field } => {
            token(body, field)?.map(|token| url::with_query(&settings.given.url, parameter, &token))
        }
        Paging::Url { field } => token(body, field)?.map(|next| url::resolve(&page.url, &next)),
        Paging::Link => link.and_then(url::next_link).map(|next| url::resolve(&page.url, &next)),
    };
    let Some(next) = next else { return Ok(None) };
    if next == page.url {
        return Err(Error::parameter("/paging", format!("the page {next} names itself as the next page")));
    }
    // The request headers may hold a secret that is meant for one host.
    if url::origin(&next) != url::origin(&settings.given.url) {
        let why = format!("the next page {next} is at another host than {}", settings.given.url);
        return Err(Error::parameter("/paging", why));
    }
    Ok(Some(Page { url: next, number: page.number + 1, index: 0 }))
}

fn token(body: &Value, field: &str) -> Result<Option<String>, Error> {
    match body.pointer(field) {
        None | Some(Value::Null | Value::Bool(false)) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => {
            let why = format!("{field:?} holds neither text nor a number nor null");
            Err(Error::parameter("/paging/field", why))
        }
    }
}
