//! Centres the column `x` on the mean that it was fitted to.

wit_bindgen::generate!({ path: "../../../../../wit", world: "features-plugin" });

use std::sync::Mutex;

use exports::modelyard::lifecycle::features::{Guest, Reader};
use modelyard::lifecycle::types::{Column, ColumnData, ColumnType, Description, Error, Field, InvalidInput};

static MEAN: Mutex<f64> = Mutex::new(0.0);

struct Centre;

impl Guest for Centre {
    fn describe() -> Description {
        Description {
            summary: "Centres x".into(),
            parameters: "{}".into(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    fn fit(parameters: String, data: &Reader) -> Result<Vec<u8>, Error> {
        let (mut sum, mut rows) = (0.0, 0);
        while let Some(batch) = data.next(2)? {
            let x = x(&batch)?;
            sum += x.iter().sum::<f64>();
            rows += x.len();
        }
        if parameters == "again" {
            data.rewind()?;
            while let Some(batch) = data.next(1000)? {
                rows += x(&batch)?.len();
            }
        }
        assert_eq!(data.rows() as usize, rows, "the reader's rows");
        Ok((sum / rows as f64).to_le_bytes().to_vec())
    }

    fn load(state: Vec<u8>) -> Result<Vec<Field>, Error> {
        let Ok(mean) = state.try_into() else { return Err(invalid("the state is 8 bytes")) };
        *MEAN.lock().unwrap() = f64::from_le_bytes(mean);
        Ok(vec![Field { name: "x_centred".into(), type_: ColumnType::F64, nullable: false }])
    }

    fn transform(rows: Vec<Column>) -> Result<Vec<Column>, Error> {
        let mean = *MEAN.lock().unwrap();
        let mut centred: Vec<f64> = x(&rows)?.iter().map(|x| x - mean).collect();
        if rows.iter().any(|column| column.name == "short") {
            centred.pop();
        }
        Ok(vec![Column { name: "x_centred".into(), data: ColumnData::F64(centred), validity: None }])
    }
}

fn x(table: &[Column]) -> Result<&[f64], Error> {
    match table.iter().find(|column| column.name == "x").map(|column| &column.data) {
        Some(ColumnData::F64(values)) => Ok(values),
        _ => Err(invalid("the column x of type f64 is missing")),
    }
}

fn invalid(message: &str) -> Error {
    Error::InvalidInput(InvalidInput {
        message: message.into(),
        parameter: None,
        column: Some("x".into()),
        row: None,
    })
}

export!(Centre);
