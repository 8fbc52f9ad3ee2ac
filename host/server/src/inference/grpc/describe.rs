//! What is said of models, as messages.

use super::proto;
use crate::inference::{
    facts::{Configuration, Configured, Counted, Described, Metadata, Statistics},
    repository::Indexed,
};

impl From<Metadata> for proto::ModelMetadataResponse {
    fn from(metadata: Metadata) -> Self {
        Self {
            name: metadata.name,
            versions: metadata.versions,
            platform: metadata.platform.to_owned(),
            inputs: metadata.inputs.into_iter().map(Into::into).collect(),
            outputs: metadata.outputs.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Described> for proto::model_metadata_response::TensorMetadata {
    fn from(tensor: Described) -> Self {
        Self { name: tensor.name, datatype: tensor.datatype.to_owned(), shape: tensor.shape }
    }
}

impl From<Configuration> for proto::ModelConfig {
    fn from(configuration: Configuration) -> Self {
        Self {
            name: configuration.name,
            platform: configuration.platform.to_owned(),
            backend: configuration.backend.to_owned(),
            max_batch_size: configuration.max_batch_size,
            input: configuration.input.into_iter().map(Into::into).collect(),
            output: configuration.output.into_iter().map(Into::into).collect(),
        }
    }
}

fn data_type(name: &str) -> i32 {
    proto::DataType::from_str_name(name).unwrap_or_default().into()
}

impl From<Configured> for proto::ModelInput {
    fn from(tensor: Configured) -> Self {
        Self { name: tensor.name, data_type: data_type(&tensor.data_type), dims: tensor.dims }
    }
}

impl From<Configured> for proto::ModelOutput {
    fn from(tensor: Configured) -> Self {
        Self { name: tensor.name, data_type: data_type(&tensor.data_type), dims: tensor.dims }
    }
}

impl From<Statistics> for proto::ModelStatistics {
    fn from(statistics: Statistics) -> Self {
        let durations = statistics.inference_stats;
        Self {
            name: statistics.name,
            version: statistics.version,
            inference_count: statistics.inference_count,
            execution_count: statistics.execution_count,
            inference_stats: Some(proto::InferStatistics {
                success: Some(durations.success.into()),
                fail: Some(durations.fail.into()),
                queue: Some(durations.queue.into()),
                compute_infer: Some(durations.compute_infer.into()),
            }),
        }
    }
}

impl From<Counted> for proto::StatisticDuration {
    fn from(counted: Counted) -> Self {
        Self { count: counted.count, ns: counted.ns.unwrap_or_default() }
    }
}

impl From<Indexed> for proto::repository_index_response::ModelIndex {
    fn from(model: Indexed) -> Self {
        Self {
            name: model.name,
            version: model.version,
            state: model.state.to_owned(),
            reason: model.reason.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use modelyard_lifecycle::runtime::types::Datatype;

    use super::*;

    #[test]
    fn every_datatype_has_a_number() {
        for datatype in [
            Datatype::Bool,
            Datatype::Uint8,
            Datatype::Uint16,
            Datatype::Uint32,
            Datatype::Uint64,
            Datatype::Int8,
            Datatype::Int16,
            Datatype::Int32,
            Datatype::Int64,
            Datatype::Fp32,
            Datatype::Fp64,
            Datatype::Bytes,
        ] {
            let name = crate::inference::facts::data_type(datatype);
            assert_ne!(data_type(&name), 0, "{name}");
        }
        assert_eq!(data_type("TYPE_FP64"), 12);
    }
}
