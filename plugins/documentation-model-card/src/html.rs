//! Renders sections as one self-contained HTML page, without scripts and
//! without anything from elsewhere.

use std::fmt::Write;

use crate::markdown::paragraphs;
use crate::sections::{Block, Section, percent};

const STYLE: &str = include_str!("card.css");

/// A text as it stands, in content and in quoted attributes.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && !c.is_whitespace() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The page.
#[must_use]
pub fn page(title: &str, subtitle: &str, language: &str, sections: &[Section]) -> String {
    let (title, subtitle) = (escaped(title), escaped(subtitle));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<h1>{title}</h1>\n<p>{subtitle}</p>\n</header>\n<nav aria-label=\"Sections\">\n",
        escaped(language)
    );
    for section in sections {
        let _ = writeln!(out, "<a href=\"#{}\">{}</a>", section.id, section.title);
    }
    out.push_str("</nav>\n");
    for section in sections {
        let _ = writeln!(out, "<section id=\"{}\">\n<h2>{}</h2>", section.id, section.title);
        if section.blocks.is_empty() {
            out.push_str("<p class=\"gap\">Not recorded.</p>\n");
        }
        section.blocks.iter().for_each(|block| write_block(&mut out, block));
        out.push_str("</section>\n");
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn write_block(out: &mut String, block: &Block) {
    match block {
        Block::Text(text) => {
            for paragraph in paragraphs(text) {
                let _ = writeln!(out, "<p>{}</p>", escaped(paragraph.trim()));
            }
        }
        Block::Pairs(pairs) => {
            out.push_str("<dl>\n");
            for (name, value) in pairs {
                let _ = writeln!(out, "<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(value));
            }
            out.push_str("</dl>\n");
        }
        Block::List(items) => {
            out.push_str("<ul>\n");
            for item in items {
                let _ = writeln!(out, "<li>{}</li>", escaped(item));
            }
            out.push_str("</ul>\n");
        }
        Block::Bars(bars) => {
            let most = bars.iter().map(|b| b.1).fold(f64::MIN_POSITIVE, f64::max);
            out.push_str("<table class=\"bars\">\n<tbody>\n");
            for (name, share) in bars {
                let width = (share / most * 100.0).clamp(0.0, 100.0);
                let _ = writeln!(
                    out,
                    "<tr><th scope=\"row\">{}</th><td class=\"bar\"><span style=\"width:{width:.1}%\"></span></td><td class=\"number\">{}</td></tr>",
                    escaped(name),
                    percent(*share)
                );
            }
            out.push_str("</tbody>\n</table>\n");
        }
        Block::Table { title, head, rows, numbers } => {
            if let Some(title) = title {
                let _ = writeln!(out, "<h3>{}</h3>", escaped(title));
            }
            out.push_str("<div class=\"wide\"><table>\n<thead><tr>");
            let class = |i: usize| if i >= *numbers { " class=\"number\"" } else { "" };
            for (i, cell) in head.iter().enumerate() {
                let _ = write!(out, "<th scope=\"col\"{}>{}</th>", class(i), escaped(cell));
            }
            out.push_str("</tr></thead>\n<tbody>\n");
            for row in rows {
                out.push_str("<tr>");
                for (i, cell) in row.iter().enumerate() {
                    let _ = write!(out, "<td{}>{}</td>", class(i), escaped(cell));
                }
                out.push_str("</tr>\n");
            }
            out.push_str("</tbody>\n</table></div>\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        assert_eq!(escaped("<a href='x' b=\"y\">&"), "&lt;a href=&#39;x&#39; b=&quot;y&quot;&gt;&amp;");
        assert_eq!(escaped("a\u{0}b\nc"), "a\u{fffd}b\nc");
    }
}
