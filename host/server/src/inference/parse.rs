//! The JSON of a request. Data go element by element into the typed vector that
//! they end in, whether they come nested or flat.

use std::borrow::Cow;

use modelyard_lifecycle::Error;
use modelyard_lifecycle::runtime::{
    check,
    types::{Tensor, TensorData},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use smallvec::SmallVec;

use super::{
    call::Wanted,
    datatype::{self, Element},
    input, literals, raw,
};

/// How deep data may be nested.
const DEPTH: usize = 16;

/// A request as it stands.
#[derive(Debug, Deserialize)]
pub(super) struct InferRequest {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) parameters: Option<Map<String, Value>>,
    pub(super) inputs: Vec<Input>,
    #[serde(default)]
    pub(super) outputs: Option<Vec<Wanted>>,
}

/// An input, not yet held to its shape.
#[derive(Debug)]
pub(super) struct Input {
    name: String,
    shape: Vec<i64>,
    datatype: String,
    parameters: Option<Map<String, Value>>,
    data: Option<Data>,
}

/// Reads a request.
///
/// # Errors
/// `InvalidInput`: what is wrong with the JSON, and where it stands.
pub(super) fn request(json: &[u8]) -> Result<InferRequest, Error> {
    let unread = |error: serde_json::Error| Error::invalid(format!("the request can't be read: {error}"));
    let error = match serde_json::from_slice(json) {
        Ok(request) => return Ok(request),
        Err(error) => error,
    };
    match literals::replaced(json) {
        Some(replaced) => serde_json::from_slice(&replaced).map_err(unread),
        None => Err(unread(error)),
    }
}

impl Input {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn datatype(&self) -> &str {
        &self.datatype
    }

    /// The tensor, held to its shape. Raw data are taken from the front of
    /// `raw`, what follows the JSON; none if the request has no such part.
    ///
    /// # Errors
    /// `InvalidInput` with the tensor's name.
    pub(super) fn tensor(self, raw: &mut Option<&[u8]>) -> Result<Tensor, Error> {
        let Self { name, shape, datatype, parameters, data } = self;
        let parameters = parameters.unwrap_or_default();
        input::tensor(name, shape, &datatype, |shape, count| {
            match (parameters.get("binary_data_size"), data) {
                (Some(_), Some(_)) => Err("it has both data and binary_data_size".into()),
                (Some(size), None) => raw::decode(&datatype, take(size, raw)?, count),
                (None, Some(data)) => data.elements(&datatype, shape, count),
                (None, None) if parameters.contains_key("shared_memory_region") => {
                    Err(input::SHARED_MEMORY.into())
                }
                (None, None) => Err("it has neither data nor binary_data_size".into()),
            }
        })
    }
}

/// The raw data that belong to one input.
fn take<'a>(size: &Value, raw: &mut Option<&'a [u8]>) -> Result<&'a [u8], String> {
    let bytes = size.as_u64().and_then(|size| usize::try_from(size).ok());
    let bytes = bytes.ok_or_else(|| format!("binary_data_size is {size}; a number of bytes is accepted"))?;
    let Some(left) = *raw else {
        return Err("it has binary_data_size, but the request has no Inference-Header-Content-Length, \
                    the JSON's length in bytes, after which raw data would follow"
            .into());
    };
    let (mine, after) = left
        .split_at_checked(bytes)
        .ok_or_else(|| format!("binary_data_size is {bytes}, but the body has {} bytes left", left.len()))?;
    *raw = Some(after);
    Ok(mine)
}

/// Data as they came.
#[derive(Debug)]
struct Data {
    values: Values,
    /// The length of the lists at each depth. Most data are one list.
    lengths: SmallVec<[Option<usize>; 2]>,
    /// Where the elements stand.
    leaf: Option<usize>,
    /// The first thing that was wrong; nothing is kept after it.
    fault: Option<Fault>,
    /// `null` instead of a list.
    absent: bool,
}

#[derive(Debug)]
enum Fault {
    /// A value that isn't of the datatype.
    Foreign(Element),
    Other(String),
}

#[derive(Debug)]
enum Values {
    Typed(TensorData),
    /// The datatype comes after the data.
    Later(Vec<Element>),
}

impl Data {
    /// Nothing is kept for a datatype that is not known.
    fn new(datatype: Option<&str>) -> Self {
        let typed = datatype.map(datatype::empty);
        let unknown = matches!(typed, Some(None));
        let fault = unknown.then(|| Fault::Other("the datatype is not known".to_owned()));
        let values = typed.flatten().map_or(Values::Later(Vec::new()), Values::Typed);
        Self { values, lengths: SmallVec::new(), leaf: None, fault, absent: false }
    }

    fn wrong(&mut self, fault: impl Into<String>) {
        self.fault.get_or_insert_with(|| Fault::Other(fault.into()));
    }

    fn add(&mut self, element: Element, depth: usize) {
        if depth == 0 {
            self.absent = element == Element::Null;
            self.wrong("its data is no list");
        } else if *self.leaf.get_or_insert(depth) != depth {
            self.wrong("its data has values beside lists");
        }
        if self.fault.is_some() {
            return;
        }
        match &mut self.values {
            Values::Later(elements) => elements.push(element),
            Values::Typed(data) => {
                if let Err(element) = datatype::push(data, element) {
                    self.fault = Some(Fault::Foreign(element));
                }
            }
        }
    }

    fn close(&mut self, depth: usize, length: usize) {
        if self.lengths.len() <= depth {
            self.lengths.resize(depth + 1, None);
        }
        if let Some(known) = self.lengths.get_mut(depth)
            && *known.get_or_insert(length) != length
        {
            let known = known.unwrap_or_default();
            self.wrong(format!("its data has lists of {known} and of {length} at one depth"));
        }
    }

    /// The elements, held to the datatype and the shape.
    fn elements(mut self, datatype: &str, shape: &[i64], count: usize) -> Result<TensorData, String> {
        let foreign = |element: Element| format!("{element} is no {datatype}");
        match self.fault.take() {
            Some(Fault::Foreign(element)) => return Err(foreign(element)),
            Some(Fault::Other(fault)) => return Err(fault),
            None => {}
        }
        let data = match self.values {
            Values::Typed(data) => data,
            Values::Later(elements) => {
                let mut data = datatype::empty(datatype).ok_or("the datatype is not known")?;
                for element in elements {
                    datatype::push(&mut data, element).map_err(foreign)?;
                }
                data
            }
        };
        let (found, _) = check::elements(&data);
        input::fits(shape, count, found)?;
        if self.lengths.len() < 2 {
            return Ok(data);
        }
        let nested: Vec<usize> = self.lengths.iter().flatten().copied().collect();
        let same = nested
            .iter()
            .filter(|size| **size != 1)
            .map(|size| *size as u64)
            .eq(shape.iter().filter(|size| **size != 1).map(|size| size.unsigned_abs()));
        if !same && found > 0 {
            return Err(format!("its data is nested as {nested:?} where its shape is {shape:?}"));
        }
        Ok(data)
    }
}

/// One value or list of data.
struct Elements<'a> {
    into: &'a mut Data,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Elements<'_> {
    fn add<E>(self, element: Element) -> Result<(), E> {
        self.into.add(element, self.depth);
        Ok(())
    }
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("numbers, texts, booleans, null, or lists of them")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.add(Element::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.add(Element::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.add(Element::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.add(Element::Signed(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.add(Element::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.add(Element::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { into, depth } = self;
        let mut length = 0;
        if depth == DEPTH {
            into.wrong(format!("its data is nested more than {DEPTH} deep"));
        }
        if into.fault.is_some() {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        while seq.next_element_seed(Elements { into: &mut *into, depth: depth + 1 })?.is_some() {
            length += 1;
        }
        into.close(depth, length);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut infinite = None;
        let mut members = 0;
        while let Some((key, value)) = map.next_entry::<Cow<'de, str>, Value>()? {
            infinite = literals::infinity(&key, &value);
            members += 1;
        }
        match infinite {
            Some(value) if members == 1 => self.add(Element::Float(value)),
            _ => {
                self.into.wrong("its data holds an object; numbers, texts, booleans and null are accepted");
                Ok(())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InputVisitor)
    }
}

struct InputVisitor;

impl<'de> Visitor<'de> for InputVisitor {
    type Value = Input;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a tensor: {\"name\", \"shape\", \"datatype\", \"data\"}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Input, A::Error> {
        let (mut name, mut shape, mut parameters, mut data) = (None, None, None, None);
        let mut datatype: Option<String> = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match key.as_ref() {
                "name" => name = Some(map.next_value()?),
                "shape" => shape = Some(map.next_value()?),
                "datatype" => datatype = Some(map.next_value()?),
                "parameters" => parameters = map.next_value()?,
                "data" => {
                    let mut read = Data::new(datatype.as_deref());
                    map.next_value_seed(Elements { into: &mut read, depth: 0 })?;
                    data = (!read.absent).then_some(read);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Input {
            name: name.ok_or_else(|| A::Error::missing_field("name"))?,
            shape: shape.ok_or_else(|| A::Error::missing_field("shape"))?,
            datatype: datatype.ok_or_else(|| A::Error::missing_field("datatype"))?,
            parameters,
            data,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn input(json: &str) -> Result<Tensor, String> {
        let request = request(format!("{{\"inputs\": [{json}]}}").as_bytes());
        let input = request.map_err(|error| error.message)?.inputs.remove(0);
        input.tensor(&mut None).map_err(|error| error.message)
    }

    fn tensor(datatype: &str, shape: &[i64], data: Value) -> Result<Tensor, String> {
        let tensor = json!({"name": "x", "shape": shape, "datatype": datatype, "data": data});
        input(&tensor.to_string())
    }

    #[track_caller]
    fn fails(result: Result<Tensor, String>, words: &str) {
        let message = result.unwrap_err();
        assert!(message.contains(words), "{message}");
    }

    #[test]
    fn nested_and_flat_data_are_the_same() {
        let flat = tensor("FP64", &[2, 2], json!([1, 2.5, 3, -4])).unwrap();
        assert_eq!(flat.data, TensorData::Fp64(vec![1.0, 2.5, 3.0, -4.0]));
        assert_eq!(tensor("FP64", &[2, 2], json!([[1, 2.5], [3, -4]])), Ok(flat));
        let column = tensor("INT8", &[3, 1], json!([1, 2, 3])).unwrap();
        assert_eq!(tensor("INT8", &[3, 1], json!([[1], [2], [3]])), Ok(column));
        assert!(tensor("INT8", &[3], json!([[1], [2], [3]])).is_ok());
        assert!(tensor("INT8", &[1, 1, 3], json!([[[1, 2, 3]]])).is_ok());
        assert_eq!(tensor("FP64", &[0], json!([])).unwrap().data, TensorData::Fp64(vec![]));
        assert_eq!(tensor("FP64", &[2, 0], json!([[], []])).unwrap().data, TensorData::Fp64(vec![]));
        fails(tensor("FP64", &[2, 3], json!([[1, 2], [3, 4], [5, 6]])), "nested as [3, 2]");
        fails(tensor("FP64", &[2, 2], json!([[1], [2, 3, 4]])), "lists of 1 and of 3");
        fails(tensor("FP64", &[3], json!([1, [2, 3]])), "values beside lists");
        fails(tensor("FP64", &[3], json!([[1, 2], 3])), "values beside lists");
    }

    #[test]
    fn what_is_wrong_is_said_with_the_input() {
        fails(
            tensor("FP64", &[3], json!([1, 2])),
            "the input \"x\": the shape [3] has 3 elements, its data 2",
        );
        fails(tensor("FP64", &[1_000_000], json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])), "1000000 elements");
        fails(tensor("FP8", &[1], json!([1])), "\"FP8\" is not known; BOOL");
        fails(tensor("INT8", &[1], json!([300])), "300 is no INT8");
        fails(tensor("FP64", &[2], json!([1, "NaN"])), "\"NaN\" is no FP64");
        fails(tensor("FP64", &[-1], json!([1])), "negative");
        fails(tensor("FP64", &[i64::MAX, 4], json!([1])), "too large");
        fails(tensor("FP64", &[i64::MAX, i64::MAX, 0], json!([])), "too large");
        fails(tensor("BYTES", &[1], json!([{}])), "object");
        fails(tensor("FP64", &[1], json!(1)), "no list");
        fails(tensor("FP64", &[1], json!("1")), "no list");
        fails(tensor("FP64", &[1], json!(null)), "neither data nor");
        let deep = format!("{}1{}", "[".repeat(17), "]".repeat(17));
        fails(tensor("FP64", &[1], serde_json::from_str(&deep).unwrap()), "16 deep");
        let sunk = format!("{}1{}", "[".repeat(500), "]".repeat(500));
        let sunk = format!(r#"{{"name": "x", "shape": [1], "datatype": "FP64", "data": {sunk}}}"#);
        fails(input(&sunk), "16 deep");
        fails(input(r#"{"name": "x", "datatype": "FP64", "data": [1]}"#), "`shape`");
        fails(input(r#"{"name": "x", "shape": [1.5], "datatype": "FP64", "data": [1]}"#), "can't be read");
        let shared = r#"{"shared_memory_region": "r", "shared_memory_byte_size": 8}"#;
        let shared = format!(r#"{{"name": "x", "shape": [1], "datatype": "FP64", "parameters": {shared}}}"#);
        fails(input(&shared), "shared memory");
        let raw = r#"{"name": "x", "shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": 8}}"#;
        fails(input(raw), "Inference-Header-Content-Length");
    }

    #[test]
    fn members_come_in_any_order() {
        let before =
            input(r#"{"data": [[1, null]], "shape": [1, 2], "name": "x", "more": {}, "datatype": "FP32"}"#);
        let TensorData::Fp32(values) = before.unwrap().data else { unreachable!() };
        assert!(values[0] == 1.0 && values[1].is_nan());
        fails(
            input(r#"{"data": [1, "a"], "shape": [2], "name": "x", "datatype": "INT8"}"#),
            "\"a\" is no INT8",
        );
        fails(input(r#"{"data": [1], "shape": [1], "name": "x", "datatype": "FP8"}"#), "not known; BOOL");
    }

    #[test]
    fn nan_and_infinities_are_read_where_they_can_be() {
        let of = |datatype: &str, data: &str, shape: &str| {
            input(&format!(r#"{{"name": "x", "shape": {shape}, "datatype": "{datatype}", "data": {data}}}"#))
        };
        let read = of("FP64", "[NaN, Infinity, -Infinity, 1]", "[4]").unwrap();
        let TensorData::Fp64(values) = read.data else { unreachable!() };
        assert!(values[0].is_nan());
        assert_eq!(values[1..], [f64::INFINITY, f64::NEG_INFINITY, 1.0]);
        fails(of("INT64", "[Infinity]", "[1]"), "inf is no INT64");
        fails(of("BYTES", "[-Infinity]", "[1]"), "-inf is no BYTES");
        fails(of("FP64", "[1]", "[NaN]"), "can't be read");
        fails(of("FP64", "[nan]", "[1]"), "can't be read");
        fails(of("FP64", "[1e999]", "[1]"), "out of range");
        assert_eq!(of("BYTES", r#"["NaN"]"#, "[1]").unwrap().data, TensorData::Bytes(vec![b"NaN".to_vec()]));
    }

    #[test]
    fn what_is_null_is_left_out() {
        let json = br#"{"id": null, "parameters": null, "outputs": null, "more": 1, "inputs": [
            {"name": "x", "shape": [1], "datatype": "FP64", "parameters": null, "data": [1]}]}"#;
        let request = request(json).unwrap();
        assert!(request.id.is_none() && request.parameters.is_none() && request.outputs.is_none());
        assert_eq!(request.inputs[0].name(), "x");
    }
}
