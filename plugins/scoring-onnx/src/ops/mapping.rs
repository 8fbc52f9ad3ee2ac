//! Categories: one-hot columns, labels for labels, and the map from class to
//! score, which stays a tensor here.

use std::collections::BTreeMap;

use super::one;
use crate::node::{Kernel, Node};
use crate::value::{Data, Done, Value, count};

/// Where each key stands, of the type that the keys have.
#[derive(Debug)]
enum Keys {
    Ints(BTreeMap<i64, usize>),
    Texts(BTreeMap<Vec<u8>, usize>),
    /// By their bits; all NaN are one, and so are both zeros.
    Floats(BTreeMap<u64, usize>),
}

fn bits(x: f64) -> u64 {
    if x.is_nan() { f64::NAN.to_bits() } else { (x + 0.0).to_bits() }
}

fn index<K: Ord>(keys: impl IntoIterator<Item = K>) -> BTreeMap<K, usize> {
    let mut places = BTreeMap::new();
    for (at, key) in keys.into_iter().enumerate() {
        places.entry(key).or_insert(at);
    }
    places
}

impl Keys {
    fn new(keys: Data) -> Done<Self> {
        Ok(match keys {
            Data::I64(keys) => Self::Ints(index(keys)),
            Data::I32(keys) => Self::Ints(index(keys.into_iter().map(i64::from))),
            Data::Text(keys) => Self::Texts(index(keys)),
            Data::F32(keys) => Self::Floats(index(keys.into_iter().map(|x| bits(f64::from(x))))),
            Data::F64(keys) => Self::Floats(index(keys.into_iter().map(bits))),
            other => return Err(format!("keys of the type {}", other.kind().name())),
        })
    }

    /// The place of each element, none for one that is no key.
    fn find(&self, data: &Data) -> Done<Vec<Option<usize>>> {
        let float = |x: f64, keys: &BTreeMap<u64, usize>| keys.get(&bits(x)).copied();
        Ok(match (self, data) {
            (Self::Ints(keys), Data::I64(values)) => values.iter().map(|x| keys.get(x).copied()).collect(),
            (Self::Ints(keys), Data::I32(values)) => {
                values.iter().map(|&x| keys.get(&i64::from(x)).copied()).collect()
            }
            // As ONNX Runtime's OneHotEncoder does: what comes after the point is lost.
            (Self::Ints(keys), Data::F32(values)) => {
                values.iter().map(|&x| keys.get(&(x as i64)).copied()).collect()
            }
            (Self::Ints(keys), Data::F64(values)) => {
                values.iter().map(|&x| keys.get(&(x as i64)).copied()).collect()
            }
            (Self::Texts(keys), Data::Text(values)) => values.iter().map(|x| keys.get(x).copied()).collect(),
            (Self::Floats(keys), Data::F32(values)) => {
                values.iter().map(|&x| float(f64::from(x), keys)).collect()
            }
            (Self::Floats(keys), Data::F64(values)) => values.iter().map(|&x| float(x, keys)).collect(),
            (_, other) => return Err(format!("its keys don't go with an input of {}", other.kind().name())),
        })
    }
}

/// OneHotEncoder
pub fn one_hot(node: &mut Node) -> Done<Kernel> {
    let (ints, texts) = (node.ints("cats_int64s")?.unwrap_or_default(), node.texts("cats_strings")?);
    let zeros = node.flag("zeros", true)?;
    let categories = match (ints.is_empty(), texts.is_empty()) {
        (false, true) => Data::I64(ints),
        (true, false) => Data::Text(texts),
        _ => return Err("one of `cats_int64s` and `cats_strings` is needed".into()),
    };
    let n = categories.len();
    let keys = Keys::new(categories)?;
    one(move |args| {
        let value = args.get(0)?;
        let dims: Vec<usize> = value.dims.iter().copied().chain([n]).collect();
        let mut out = vec![0.0; count(&dims)?];
        for (found, row) in keys.find(&value.data)?.into_iter().zip(out.chunks_exact_mut(n)) {
            match found.and_then(|at| row.get_mut(at)) {
                Some(slot) => *slot = 1.0,
                None if zeros => {}
                None => return Err("the input holds a category that the encoder does not know".into()),
            }
        }
        Value::f32(dims, out)
    })
}

/// A table's side: `keys_…` or `values_…` as integers, strings, floats or a tensor.
fn side(node: &mut Node, name: &str) -> Done<Option<Data>> {
    let mut found = Vec::new();
    let (floats, texts) = (node.floats(&format!("{name}_floats"))?, node.texts(&format!("{name}_strings"))?);
    found.extend(node.ints(&format!("{name}_int64s"))?.map(Data::I64));
    found.extend((!floats.is_empty()).then_some(Data::F32(floats)));
    found.extend((!texts.is_empty()).then_some(Data::Text(texts)));
    found.extend(node.tensor(&format!("{name}_tensor"))?.map(|tensor| tensor.data));
    if found.len() > 1 {
        return Err(format!("`{name}_…` is there twice"));
    }
    Ok(found.pop())
}

/// LabelEncoder: of version 1 by `classes_strings`, which goes from string to
/// index or back; later by keys and values.
pub fn label_encoder(node: &mut Node) -> Done<Kernel> {
    let int = node.int("default_int64")?.unwrap_or(-1);
    let text = node.text("default_string")?.unwrap_or_else(|| "_Unused".into()).into_bytes();
    let float = node.float("default_float", -0.0)?;
    let default = node.tensor("default_tensor")?.map(|tensor| tensor.data);
    let classes = node.texts("classes_strings")?;
    if !classes.is_empty() {
        let numbers = Data::I64((0..classes.len() as i64).collect());
        let back = Keys::new(numbers.clone())?;
        let forth = Keys::new(Data::Text(classes.clone()))?;
        return one(move |args| {
            let value = args.get(0)?;
            match value.data {
                Data::Text(_) => mapped(value, &forth, &numbers, &Data::I64(vec![int])),
                _ => mapped(value, &back, &Data::Text(classes.clone()), &Data::Text(vec![text.clone()])),
            }
        });
    }
    let keys = side(node, "keys")?.ok_or("its keys are missing")?;
    let values = side(node, "values")?.ok_or("its values are missing")?;
    if keys.len() != values.len() {
        return Err(format!("it has {} keys and {} values", keys.len(), values.len()));
    }
    let default = match (default, &values) {
        (Some(default), values) if default.len() == 1 && default.kind() == values.kind() => default,
        (Some(_), _) => return Err("`default_tensor` does not go with its values".into()),
        (None, Data::I64(_)) => Data::I64(vec![int]),
        (None, Data::Text(_)) => Data::Text(vec![text]),
        (None, Data::F32(_)) => Data::F32(vec![float]),
        (None, Data::F64(_)) => Data::F64(vec![f64::from(float)]),
        (None, other) => return Err(format!("values of the type {}", other.kind().name())),
    };
    let keys = Keys::new(keys)?;
    one(move |args| mapped(args.get(0)?, &keys, &values, &default))
}

fn mapped(value: &Value, keys: &Keys, values: &Data, default: &Data) -> Done<Value> {
    fn all<T: Clone>(found: &[Option<usize>], values: &[T], default: &[T]) -> Vec<T> {
        found.iter().filter_map(|at| at.and_then(|at| values.get(at)).or(default.first()).cloned()).collect()
    }
    let found = keys.find(&value.data)?;
    let data = crate::value::map_pair!(
        (values, default),
        (values, default) => all(&found, values, default),
        return Err("its default is of another type than its values".into())
    );
    Value::new(value.dims.clone(), data)
}

/// ZipMap: the scores as they are; the class labels stand in the signature.
pub fn zip_map(node: &mut Node) -> Done<Kernel> {
    let labels = super::score::Labels::read(node, "classlabels_int64s", "classlabels_strings")?;
    one(move |args| {
        let value = args.take(0)?;
        let (rows, columns) = value.matrix()?;
        if columns != labels.len() {
            return Err(format!("{columns} scores for {} classes", labels.len()));
        }
        Value::new(vec![rows, columns], value.data)
    })
}
