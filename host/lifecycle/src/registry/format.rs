//! Model files from other tools, told apart by their first bytes. Nothing of a
//! file is read here: that is done by the scoring plugin, in its sandbox.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Code, Error, Result};

/// The bytes in which a file's kind must show.
const HEAD: usize = 4096;
/// Far above the `ir_version` of every ONNX model so far, and one byte of protobuf.
const MAX_IR_VERSION: u8 = 64;

/// A format of model files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Format {
    /// XGBoost's JSON or UBJSON: `booster.save_model("model.json")` or `"model.ubj"`.
    #[serde(rename = "xgboost")]
    Xgboost,
    /// LightGBM's text: `booster.save_model("model.txt")`.
    #[serde(rename = "lightgbm")]
    Lightgbm,
    /// An ONNX model.
    #[serde(rename = "onnx")]
    Onnx,
    /// The artifact `modelyard-gbdt-1`.
    #[serde(rename = "modelyard-gbdt")]
    Gbdt,
    /// The artifact `modelyard-linear-1`.
    #[serde(rename = "modelyard-linear")]
    Linear,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Xgboost => "xgboost",
            Self::Lightgbm => "lightgbm",
            Self::Onnx => "onnx",
            Self::Gbdt => "modelyard-gbdt",
            Self::Linear => "modelyard-linear",
        })
    }
}

impl Format {
    /// The scoring plugin that reads it.
    pub fn runner(self) -> &'static str {
        match self {
            Self::Xgboost => "scoring-xgboost",
            Self::Lightgbm => "scoring-lightgbm",
            Self::Onnx => "scoring-onnx",
            Self::Gbdt => "scoring-gbdt",
            Self::Linear => "scoring-linear",
        }
    }

    /// The format that a file's first bytes show, if it is one of these.
    pub fn recognise(file: &[u8]) -> Option<Self> {
        let head = file.get(..HEAD).unwrap_or(file);
        if head.starts_with(b"modelyard-gbdt-") {
            Some(Self::Gbdt)
        } else if head.starts_with(b"modelyard-linear-") {
            Some(Self::Linear)
        } else if is_lightgbm(head) {
            Some(Self::Lightgbm)
        } else if is_xgboost_ubjson(head) || is_xgboost_json(head) {
            Some(Self::Xgboost)
        } else if is_onnx(head) {
            Some(Self::Onnx)
        } else {
            None
        }
    }

    /// As [`recognise`](Self::recognise).
    ///
    /// # Errors
    /// Says what the file looks like instead, what to do about it and what is accepted.
    pub fn of(file: &[u8]) -> Result<Self> {
        Self::recognise(file).ok_or_else(|| {
            let message = format!(
                "the file looks like {}; accepted are XGBoost JSON or UBJSON, LightGBM text, ONNX, and the \
                 artifacts modelyard-gbdt-1 and modelyard-linear-1",
                looks_like(file)
            );
            Error::new(Code::Unsupported, message)
        })
    }
}

/// The first line is `tree`, and `version=` follows.
fn is_lightgbm(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.next() == Some(b"tree".as_slice()) && lines.take(8).any(|line| line.starts_with(b"version="))
}

/// An object whose first member is `learner`, or `version` with `learner` after it.
fn is_xgboost_json(head: &[u8]) -> bool {
    let Some(members) = head.trim_ascii_start().strip_prefix(b"{") else { return false };
    let members = members.trim_ascii_start();
    let learner = b"\"learner\"";
    members.starts_with(learner)
        || (members.starts_with(b"\"version\"") && members.windows(learner.len()).any(|part| part == learner))
}

/// The same as UBJSON: `{`, the key's length as any of the integers, the key.
fn is_xgboost_ubjson(head: &[u8]) -> bool {
    let Some((b'{', rest)) = head.split_first() else { return false };
    let Some((marker, rest)) = rest.split_first() else { return false };
    let size = match marker {
        b'i' | b'U' => 1,
        b'I' => 2,
        b'l' => 4,
        b'L' => 8,
        _ => return false,
    };
    let Some((length, key)) = rest.split_at_checked(size) else { return false };
    let length = length.iter().fold(0_u64, |length, byte| (length << 8) | u64::from(*byte));
    length == 7 && (key.starts_with(b"learner") || key.starts_with(b"version"))
}

/// Protobuf has no magic number: the field `ir_version` (1, a small integer)
/// and after it the tag of another field of `ModelProto`.
fn is_onnx(head: &[u8]) -> bool {
    // Producer, its version, domain, model version, description, graph, opsets, metadata.
    const NEXT: [u8; 8] = [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72];
    matches!(head, [0x08, 1..=MAX_IR_VERSION, next, ..] if NEXT.contains(next))
}

/// What a file of no known format seems to be, and what to do about it.
fn looks_like(file: &[u8]) -> &'static str {
    let head = file.get(..HEAD).unwrap_or(file);
    match head {
        [0x80, 2..=5, ..] => "a Python pickle, which is a program rather than a model: export it to ONNX",
        [b'P', b'K', 3, 4, ..] => {
            "a zip archive: send the model file that is in it, or export a PyTorch or Keras model to ONNX"
        }
        [0x1f, 0x8b, ..] => "a gzip file: unpack it first",
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => {
            "compressed data, perhaps a joblib pickle: export the model to ONNX"
        }
        [0x89, b'H', b'D', b'F', ..] => "an HDF5 file, perhaps a Keras model: export it to ONNX",
        [0, b'a', b's', b'm', ..] => "a WebAssembly component: upload it as a plugin",
        [b'C', b'B', b'M', b'1', ..] => "a CatBoost model: save it with format=\"onnx\"",
        [b'b', b'i', b'n', b'f', ..] => {
            "XGBoost's old binary format: save it again as model.json or model.ubj"
        }
        [_, _, _, _, b'T', b'F', b'L', b'3', ..] => "a TensorFlow Lite model: export it to ONNX",
        [b'G', b'G', b'U', b'F', ..] => "a GGUF model",
        _ if head.trim_ascii_start().starts_with(b"<") => "XML, perhaps PMML: export the model to ONNX",
        _ if head.trim_ascii_start().starts_with(b"{") => "JSON that is no XGBoost model",
        _ if is_text(head) => "a text file that is no LightGBM model",
        _ => "no model that is known here",
    }
}

fn is_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A character may be cut at the end.
        Err(error) if error.error_len().is_none() => return true,
        Err(_) => return false,
    };
    !text.chars().any(|c| c.is_control() && !c.is_whitespace())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_format_shows_in_its_first_bytes() {
        let is = |bytes: &[u8]| Format::recognise(bytes);
        assert_eq!(is(b"modelyard-gbdt-1\0"), Some(Format::Gbdt));
        assert_eq!(is(b"modelyard-linear-1\0"), Some(Format::Linear));
        assert_eq!(is(b"tree\nversion=v4\nnum_class=1\n"), Some(Format::Lightgbm));
        assert_eq!(is(b"tree\r\nversion=v4\r\n"), Some(Format::Lightgbm));
        assert_eq!(is(br#"{"learner":{"attributes":{}"#), Some(Format::Xgboost));
        assert_eq!(is(b"\n{\n  \"version\": [3, 0, 0],\n  \"learner\": {"), Some(Format::Xgboost));
        assert_eq!(is(b"{L\0\0\0\0\0\0\0\x07learner{"), Some(Format::Xgboost));
        assert_eq!(is(b"{i\x07version["), Some(Format::Xgboost));
        assert_eq!(is(b"\x08\x08\x12\x07pytorch"), Some(Format::Onnx));
        assert_eq!(is(b"\x08\x0a\x3a\x90\x01"), Some(Format::Onnx));
    }

    #[test]
    fn what_is_none_of_them_is_named() {
        let told = |bytes: &[u8], wanted: &str| {
            let error = Format::of(bytes).unwrap_err();
            assert_eq!(error.code, Code::Unsupported);
            assert!(error.message.contains(wanted), "{error}");
            assert!(error.message.contains("LightGBM text"), "{error}");
        };
        told(b"\x80\x04\x95\x10", "pickle");
        told(b"PK\x03\x04rest", "zip archive");
        told(b"\0asm\x0d\0\x01\0", "WebAssembly");
        told(b"binf\0\0", "old binary");
        told(b"a,b\n1,2\n", "a text file");
        told(b"tree", "a text file");
        told(b"tree house\nversion=v4\n", "a text file");
        told(b"{\"run\": \"1\"}", "JSON that");
        told(b"{L\0\0\0\0\0\0\0\x08learners", "JSON that");
        told(b"{L\0\0", "JSON that");
        told(b"{\"version\": 1}", "JSON that");
        told(b"<PMML>", "XML");
        told(b"\x08", "no model");
        told(b"\x08\x08\x01", "no model");
        told(&[0xff; 5000], "no model");
        told("é".repeat(5000).as_bytes(), "a text file");
        told(format!("x{}", "é".repeat(5000)).as_bytes(), "a text file");
    }
}
