//! Writes model cards from recorded facts: `README.md` in the Hugging Face
//! format, and `card.html`, one page without scripts that stands alone.
//!
//! - [`facts`]: what `render` takes, the whole shape in one place.
//! - [`sections`]: facts put in order, the same for both documents.
//! - [`yaml`], [`markdown`], [`html`]: the renderings; each one escapes every
//!   text that it is given.
//!
//! A section that the parameters require and that has no facts is a gap; it is
//! shown as not recorded. Other empty sections are left out. The same facts
//! always give the same bytes.

pub mod facts;
pub mod html;
pub mod markdown;
pub mod sections;
pub mod yaml;

use facts::Facts;
use modelyard_sdk::prelude::*;
use serde::Deserialize;

/// The JSON Schema of [`Parameters`].
pub const SCHEMA: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "required": {"type": "array", "uniqueItems": true, "items": {"enum": ["description", "owner", "licence", "intended_use", "limitations", "training", "features", "data", "evaluation", "fairness", "signature", "deployment", "monitoring", "lineage", "governance"]},
      "default": ["description", "owner", "licence", "intended_use", "limitations", "training", "data", "evaluation", "signature", "lineage"],
      "description": "Sections that are a gap when there are no facts for them."},
    "max_rows": {"type": "integer", "minimum": 1, "default": 50, "description": "Rows shown of features, columns, slices, findings and decisions."},
    "language": {"type": "string", "pattern": "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", "default": "en", "description": "The language that the facts are written in."}
  }
}"##;

/// What the caller may say; see [`SCHEMA`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Parameters {
    pub required: Vec<String>,
    pub max_rows: usize,
    pub language: String,
}

impl Default for Parameters {
    fn default() -> Self {
        let required = [
            "description",
            "owner",
            "licence",
            "intended_use",
            "limitations",
            "training",
            "data",
            "evaluation",
            "signature",
            "lineage",
        ];
        Self { required: required.map(str::to_owned).to_vec(), max_rows: 50, language: "en".to_owned() }
    }
}

impl Parameters {
    fn read(text: &str) -> Result<Self, Error> {
        let read: Self = parameters(text)?;
        if let Some(i) = read.required.iter().position(|r| !sections::SECTIONS.contains(&r.as_str())) {
            let message = format!("no such section: one of {}", sections::SECTIONS.join(", "));
            return Err(Error::parameter(format!("/required/{i}"), message));
        }
        if read.max_rows == 0 {
            return Err(Error::parameter("/max_rows", "0 is too small: at least 1"));
        }
        let part = |p: &str| !p.is_empty() && p.len() <= 8 && p.chars().all(|c| c.is_ascii_alphanumeric());
        if !read.language.split('-').all(part) {
            return Err(Error::parameter("/language", "it must be a language tag such as `en` or `pt-BR`"));
        }
        Ok(read)
    }
}

/// The plugin.
#[derive(Debug)]
pub struct ModelCard;

impl Documentation for ModelCard {
    fn describe() -> Description {
        Description::new("Writes model cards in the Hugging Face format and as HTML").parameters(SCHEMA).outputs([
            "README.md: a Hugging Face model card with its YAML front matter",
            "card.html: the same as one page that stands alone",
            "gaps: required sections without facts, by their names in the parameters",
            "facts (input): an object of model, training, data, evaluation, fairness, signature, deployment, monitoring, lineage, governance; every one optional",
        ])
    }

    fn render(parameters: &str, facts: &str) -> Result<Documents, Error> {
        let parameters = Parameters::read(parameters)?;
        let facts = Facts::read(facts)?;
        let mut sections = sections::all(&facts, parameters.max_rows)?;
        sections.retain(|s| !s.blocks.is_empty() || parameters.required.iter().any(|r| r == s.id));
        let gaps = sections.iter().filter(|s| s.blocks.is_empty()).map(|s| s.id.to_owned()).collect();
        let (title, subtitle) = titles(&facts);
        let mut readme = yaml::front_matter(&facts, &parameters.language);
        readme.push_str(&markdown::body(&title, &subtitle, &sections));
        let page = html::page(&title, &subtitle, &parameters.language, &sections);
        let document = |name: &str, media_type: &str, text| Document {
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            text,
        };
        Ok(Documents {
            documents: vec![
                document("README.md", "text/markdown", readme),
                document("card.html", "text/html", page),
            ],
            gaps,
        })
    }
}

/// The name, and a line on version, task and date.
fn titles(facts: &Facts) -> (String, String) {
    let model = facts.model.clone().unwrap_or_default();
    let title =
        model.name.filter(|n| !n.trim().is_empty()).unwrap_or_else(|| "A model without a name".to_owned());
    let parts = [
        Some(model.version.map_or_else(|| "No version".to_owned(), |v| format!("Version {v}"))),
        model.task.map(|t| t.replace('-', " ")),
        model.created_at.map(|t| format!("registered {t}")),
    ];
    (title, parts.into_iter().flatten().collect::<Vec<_>>().join(" · "))
}

modelyard_sdk::export!(documentation: ModelCard);
