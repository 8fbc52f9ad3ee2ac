//! Renders sections as Markdown (CommonMark with GitHub's tables).

use std::fmt::Write;

use crate::sections::{Block, Section, percent};

/// A text as it stands, on one line: nothing in it is markup.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            '&' => out.push_str("&amp;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A paragraph as it stands: a first word that would begin a list or underline
/// a heading is escaped too.
fn paragraph(text: &str) -> String {
    let text = escaped(text);
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let at = if text.starts_with(['-', '+', '=', ':']) {
        Some(0)
    } else if digits > 0 && text.get(digits..).is_some_and(|rest| rest.starts_with(['.', ')'])) {
        Some(digits)
    } else {
        None
    };
    match at.and_then(|at| text.split_at_checked(at)) {
        Some((head, tail)) => format!("{head}\\{tail}"),
        None => text,
    }
}

/// The paragraphs of a text, parted by empty lines.
pub fn paragraphs(text: &str) -> impl Iterator<Item = String> {
    let mut parts = vec![String::new()];
    for line in text.lines() {
        if line.trim().is_empty() {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    parts.into_iter().filter(|p| !p.trim().is_empty())
}

/// The body of the card, from the title on.
#[must_use]
pub fn body(title: &str, subtitle: &str, sections: &[Section]) -> String {
    let mut out = format!("\n# {}\n\n{}\n", escaped(title), paragraph(subtitle));
    for section in sections {
        let _ = write!(out, "\n## {}\n", section.title);
        if section.blocks.is_empty() {
            out.push_str("\n*Not recorded.*\n");
        }
        section.blocks.iter().for_each(|block| write_block(&mut out, block));
    }
    out
}

fn write_block(out: &mut String, block: &Block) {
    out.push('\n');
    match block {
        Block::Text(text) => {
            let all: Vec<String> = paragraphs(text).map(|p| paragraph(&p)).collect();
            out.push_str(&all.join("\n\n"));
            out.push('\n');
        }
        Block::Pairs(pairs) => {
            for (name, value) in pairs {
                let _ = writeln!(out, "- **{}:** {}", escaped(name), escaped(value));
            }
        }
        Block::List(items) => {
            for item in items {
                let _ = writeln!(out, "- {}", paragraph(item));
            }
        }
        Block::Bars(bars) => {
            out.push_str("| feature | importance |\n| --- | ---: |\n");
            for (name, share) in bars {
                let _ = writeln!(out, "| {} | {} |", escaped(name), percent(*share));
            }
        }
        Block::Table { title, head, rows, numbers } => {
            if let Some(title) = title {
                let _ = write!(out, "### {}\n\n", escaped(title));
            }
            let cells = |row: &[String]| row.iter().map(|c| escaped(c)).collect::<Vec<_>>().join(" | ");
            let rule: Vec<&str> =
                (0..head.len()).map(|i| if i >= *numbers { "---:" } else { "---" }).collect();
            let _ = writeln!(out, "| {} |\n| {} |", cells(head), rule.join(" | "));
            for row in rows {
                let _ = writeln!(out, "| {} |", cells(row));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        assert_eq!(
            escaped("a|b *c* <script> [x](y) & \\"),
            "a\\|b \\*c\\* \\<script\\> \\[x\\](y) &amp; \\\\"
        );
        assert_eq!(escaped("two\nlines"), "two lines");
        assert_eq!(paragraph("- no list"), "\\- no list");
        assert_eq!(paragraph("1. no list"), "1\\. no list");
        assert_eq!(paragraph("# no heading"), "\\# no heading");
        assert_eq!(paragraph("3 rows"), "3 rows");
    }

    #[test]
    fn empty_lines_part_paragraphs() {
        assert_eq!(paragraphs("a\nb\n\n \nc").collect::<Vec<_>>(), ["a\nb\n", "c\n"]);
    }
}
