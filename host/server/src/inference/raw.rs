//! Tensors as raw bytes, the protocol's binary extension: row-major, little
//! endian; a BOOL is one byte; an element of BYTES is its length, 4 bytes, and
//! then that many.

use modelyard_lifecycle::runtime::types::TensorData;

/// Reads exactly `count` elements.
///
/// # Errors
/// What doesn't fit.
pub(super) fn decode(datatype: &str, bytes: &[u8], count: usize) -> Result<TensorData, String> {
    if datatype == "BYTES" {
        return texts(bytes, count).map(TensorData::Bytes);
    }
    let width = match datatype {
        "BOOL" | "UINT8" | "INT8" => 1,
        "UINT16" | "INT16" | "FP16" | "BF16" => 2,
        "UINT32" | "INT32" | "FP32" => 4,
        "UINT64" | "INT64" | "FP64" => 8,
        other => return Err(format!("the datatype {other:?} is not known")),
    };
    if count.checked_mul(width) != Some(bytes.len()) {
        let given = bytes.len();
        return Err(format!("{count} elements of {datatype} have {width} bytes each, its raw data {given}"));
    }
    Ok(match datatype {
        "BOOL" => TensorData::Bool(bytes.iter().map(|byte| *byte != 0).collect()),
        "UINT8" => TensorData::Uint8(bytes.to_vec()),
        "UINT16" => TensorData::Uint16(numbers(bytes, u16::from_le_bytes)),
        "UINT32" => TensorData::Uint32(numbers(bytes, u32::from_le_bytes)),
        "UINT64" => TensorData::Uint64(numbers(bytes, u64::from_le_bytes)),
        "INT8" => TensorData::Int8(numbers(bytes, i8::from_le_bytes)),
        "INT16" => TensorData::Int16(numbers(bytes, i16::from_le_bytes)),
        "INT32" => TensorData::Int32(numbers(bytes, i32::from_le_bytes)),
        "INT64" => TensorData::Int64(numbers(bytes, i64::from_le_bytes)),
        "FP16" => TensorData::Fp32(numbers(bytes, |bytes| half(u16::from_le_bytes(bytes)))),
        "BF16" => TensorData::Fp32(numbers(bytes, |[low, high]| f32::from_le_bytes([0, 0, low, high]))),
        "FP32" => TensorData::Fp32(numbers(bytes, f32::from_le_bytes)),
        _ => TensorData::Fp64(numbers(bytes, f64::from_le_bytes)),
    })
}

fn numbers<const N: usize, T>(bytes: &[u8], of: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().map(|chunk| of(*chunk)).collect()
}

/// A half-precision number (IEEE 754 binary16) by its bits.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let fraction = f32::from(bits & 0x03ff);
    match (bits >> 10) & 0x1f {
        // Subnormal: no implied one.
        0 => sign * fraction * 2f32.powi(-24),
        0x1f if fraction == 0.0 => sign * f32::INFINITY,
        0x1f => f32::NAN,
        exponent => sign * (1024.0 + fraction) * 2f32.powi(i32::from(exponent) - 25),
    }
}

fn texts(bytes: &[u8], count: usize) -> Result<Vec<Vec<u8>>, String> {
    // Whatever the shape says, each element has its length.
    let mut texts = Vec::with_capacity(count.min(bytes.len() / 4));
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        let (text, after) = after.split_at_checked(length).ok_or_else(|| {
            let at = texts.len();
            format!("element {at} of BYTES has the length {length}, but {} bytes follow", after.len())
        })?;
        texts.push(text.to_vec());
        rest = after;
    }
    match rest.len() {
        0 if texts.len() == count => Ok(texts),
        0 => Err(format!("its shape has {count} elements, its raw data {}", texts.len())),
        left => Err(format!("{left} bytes are left after element {}, too few for a length", texts.len())),
    }
}

/// The number of bytes that [`append`] adds.
pub(super) fn size(data: &TensorData) -> usize {
    match data {
        TensorData::Bool(values) => values.len(),
        TensorData::Uint8(values) => values.len(),
        TensorData::Int8(values) => values.len(),
        TensorData::Uint16(values) => size_of_val(values.as_slice()),
        TensorData::Int16(values) => size_of_val(values.as_slice()),
        TensorData::Uint32(values) => size_of_val(values.as_slice()),
        TensorData::Int32(values) => size_of_val(values.as_slice()),
        TensorData::Uint64(values) => size_of_val(values.as_slice()),
        TensorData::Int64(values) => size_of_val(values.as_slice()),
        TensorData::Fp32(values) => size_of_val(values.as_slice()),
        TensorData::Fp64(values) => size_of_val(values.as_slice()),
        TensorData::Bytes(values) => values.iter().map(|value| 4 + value.len()).sum(),
    }
}

/// Writes the elements.
pub(super) fn append(data: &TensorData, out: &mut Vec<u8>) {
    fn all<const N: usize, T: Copy>(values: &[T], of: impl Fn(T) -> [u8; N], out: &mut Vec<u8>) {
        for value in values {
            out.extend_from_slice(&of(*value));
        }
    }
    match data {
        TensorData::Bool(values) => all(values, |value| [u8::from(value)], out),
        TensorData::Uint8(values) => out.extend_from_slice(values),
        TensorData::Uint16(values) => all(values, u16::to_le_bytes, out),
        TensorData::Uint32(values) => all(values, u32::to_le_bytes, out),
        TensorData::Uint64(values) => all(values, u64::to_le_bytes, out),
        TensorData::Int8(values) => all(values, i8::to_le_bytes, out),
        TensorData::Int16(values) => all(values, i16::to_le_bytes, out),
        TensorData::Int32(values) => all(values, i32::to_le_bytes, out),
        TensorData::Int64(values) => all(values, i64::to_le_bytes, out),
        TensorData::Fp32(values) => all(values, f32::to_le_bytes, out),
        TensorData::Fp64(values) => all(values, f64::to_le_bytes, out),
        TensorData::Bytes(values) => {
            for value in values {
                // A request's body is far from 4 GiB, and so is a component's memory.
                let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
                out.extend_from_slice(&length.to_le_bytes());
                out.extend_from_slice(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_datatype_comes_back() {
        for (datatype, data) in [
            ("BOOL", TensorData::Bool(vec![true, false])),
            ("UINT8", TensorData::Uint8(vec![0, 255])),
            ("UINT16", TensorData::Uint16(vec![1, 0xff00])),
            ("UINT32", TensorData::Uint32(vec![1, u32::MAX])),
            ("UINT64", TensorData::Uint64(vec![1, u64::MAX])),
            ("INT8", TensorData::Int8(vec![-128, 127])),
            ("INT16", TensorData::Int16(vec![-2, 0x100])),
            ("INT32", TensorData::Int32(vec![i32::MIN, 3])),
            ("INT64", TensorData::Int64(vec![i64::MIN, 3])),
            ("FP32", TensorData::Fp32(vec![0.1, f32::NEG_INFINITY])),
            ("FP64", TensorData::Fp64(vec![0.1, f64::INFINITY])),
            ("BYTES", TensorData::Bytes(vec![vec![], vec![0xff, 0]])),
        ] {
            let mut bytes = Vec::new();
            append(&data, &mut bytes);
            assert_eq!(bytes.len(), size(&data), "{datatype}");
            assert_eq!(decode(datatype, &bytes, 2), Ok(data));
            // One byte or one element too many or too few is never taken.
            assert!(decode(datatype, &bytes[1..], 2).is_err(), "{datatype}");
            assert!(decode(datatype, &[&bytes[..], &[0]].concat(), 2).is_err(), "{datatype}");
            assert!(decode(datatype, &bytes, 1).is_err() && decode(datatype, &bytes, 3).is_err());
            assert!(decode(datatype, &bytes, usize::MAX).is_err(), "{datatype}");
        }
    }

    #[test]
    fn halves_are_read_as_singles() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x0001, 5.960_464_5e-8),
            (0x8000, -0.0),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(half(bits).to_bits(), f32::to_bits(value), "{bits:#06x}");
        }
        assert!(half(0x7e00).is_nan());
        assert_eq!(decode("FP16", &[0, 0x3c], 1), Ok(TensorData::Fp32(vec![1.0])));
        assert_eq!(decode("BF16", &[0x80, 0x3f], 1), Ok(TensorData::Fp32(vec![1.0])));
        assert!(decode("FP8", &[0], 1).is_err());
    }

    #[test]
    fn a_length_that_lies_is_seen() {
        let lies = |bytes: &[u8], words: &str| {
            let message = decode("BYTES", bytes, 1).unwrap_err();
            assert!(message.contains(words), "{message}");
        };
        lies(&[2, 0, 0, 0, b'a'], "length 2, but 1 bytes follow");
        lies(&[0xff, 0xff, 0xff, 0xff], "4294967295");
        lies(&[1, 0, 0, 0, b'a', 0, 0], "2 bytes are left");
        lies(&[0, 0, 0, 0, 0, 0, 0, 0], "1 elements, its raw data 2");
        lies(&[], "raw data 0");
    }
}
