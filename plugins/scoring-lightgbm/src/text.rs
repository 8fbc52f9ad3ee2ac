//! The lines of a file: a head, one section per tree, and what follows them.

use std::str::FromStr;

/// Lines `key=value`, or a key alone.
#[derive(Debug, Default)]
pub(crate) struct Section<'a> {
    lines: Vec<(&'a str, &'a str)>,
}

impl<'a> Section<'a> {
    fn push(&mut self, line: &'a str) {
        if !line.is_empty() {
            self.lines.push(line.split_once('=').unwrap_or((line, "")));
        }
    }

    /// A value, where its key is there.
    pub(crate) fn find(&self, key: &str) -> Option<&'a str> {
        self.lines.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    /// A whole number.
    pub(crate) fn count(&self, key: &str) -> Result<usize, String> {
        let value = self.find(key).ok_or_else(|| format!("`{key}` is missing"))?;
        let count: Result<u32, _> = value.trim().parse();
        count.map(|count| count as usize).map_err(|_| format!("`{key}` is {value:?}, no whole number"))
    }

    /// The same, or `default` where it is missing.
    pub(crate) fn count_or(&self, key: &str, default: usize) -> Result<usize, String> {
        if self.find(key).is_some() { self.count(key) } else { Ok(default) }
    }

    /// As many values as announced, divided by spaces. Reserves no more than
    /// the line holds.
    pub(crate) fn values<T: FromStr>(&self, key: &str, count: usize) -> Result<Vec<T>, String> {
        let line = self.find(key).unwrap_or_default();
        let mut values = Vec::new();
        for word in line.split_ascii_whitespace() {
            let value = word.parse().map_err(|_| format!("`{key}` holds {word:?}"))?;
            values.push(value);
        }
        if values.len() == count {
            Ok(values)
        } else {
            Err(format!("`{key}` has {} values where {count} are announced", values.len()))
        }
    }
}

/// A file, read from its front.
#[derive(Debug)]
pub(crate) struct File<'a> {
    lines: std::str::Lines<'a>,
    /// The line that ended the last section.
    next: Option<&'a str>,
}

impl<'a> File<'a> {
    /// Checks the first line.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| format!("it is no UTF-8 text: {error}"))?;
        let mut lines = text.lines();
        match lines.next() {
            Some("tree") => Ok(Self { lines, next: None }),
            first => {
                let front: String = first.unwrap_or_default().chars().take(24).collect();
                Err(format!(
                    "the line `tree` is expected at the front, as save_model writes it; this begins with {front:?}"
                ))
            }
        }
    }

    /// The lines up to the next tree or the end of the trees.
    pub(crate) fn section(&mut self) -> Result<Section<'a>, String> {
        let mut section = Section::default();
        for line in self.lines.by_ref() {
            let line = line.trim_end();
            if line.starts_with("Tree=") || line == "end of trees" {
                self.next = Some(line);
                return Ok(section);
            }
            section.push(line);
        }
        Err("it ends before the line `end of trees`".to_owned())
    }

    /// The lines of the next tree, which is the one numbered `at`; none after
    /// the last one.
    pub(crate) fn tree(&mut self, at: usize) -> Result<Option<Section<'a>>, String> {
        let Some(number) = self.next.and_then(|line| line.strip_prefix("Tree=")) else { return Ok(None) };
        if number.parse() == Ok(at) {
            self.section().map(Some)
        } else {
            Err(format!("tree {at} is expected where tree {number:?} is"))
        }
    }

    /// What follows the trees.
    pub(crate) fn tail(self) -> Result<Tail<'a>, String> {
        let mut tail = Tail::default();
        let mut open = false;
        for line in self.lines {
            let line = line.trim();
            match line {
                "parameters:" => open = true,
                "end of parameters" => open = false,
                _ => {}
            }
            if let Some(list) = line.strip_prefix("[categorical_feature:") {
                tail.categorical = list.trim_end_matches(']').trim();
            } else if let Some(json) = line.strip_prefix("pandas_categorical:") {
                tail.pandas = Some(json);
            }
        }
        if open { Err("it ends before the line `end of parameters`".to_owned()) } else { Ok(tail) }
    }
}

/// What is read of the lines after the trees.
#[derive(Debug, Default)]
pub(crate) struct Tail<'a> {
    /// The numbers of the features that were declared categorical, with commas.
    pub(crate) categorical: &'a str,
    /// A list of lists of categories in JSON, or `null`.
    pub(crate) pandas: Option<&'a str>,
}
