//! Writes model cards in the Hugging Face format and as HTML.
