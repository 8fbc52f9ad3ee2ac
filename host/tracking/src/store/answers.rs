//! Runs as they are answered.

use super::{
    append,
    state::{Home, State, run_id},
    table::{Head, Row},
};
use crate::{
    DatasetInput, Metric, ModelInput, ModelOutput, Param, Run, RunData, RunInfo, RunInputs, RunOutputs, Tag,
    Text,
};

/// A run's attributes as they are answered.
pub(super) fn info(home: &Home, head: &Head) -> RunInfo {
    let id = run_id(head.id);
    let artifact_uri = append(&home.experiment.artifact_location, &[&id, "artifacts"]).into();
    let id = Text::from(id);
    RunInfo {
        run_uuid: id.clone(),
        run_id: id,
        run_name: head.name.clone(),
        experiment_id: head.experiment.to_string().into(),
        user_id: head.user.clone(),
        status: head.status,
        start_time: head.start,
        end_time: head.end,
        artifact_uri,
        lifecycle_stage: head.stage,
    }
}

/// A run as it is answered.
pub(super) fn record(state: &State, home: &Home, row: &Row) -> Run {
    let head = &row.head;
    let metrics = row.metrics.all().iter().map(|latest| Metric {
        key: state.keys.name(latest.key),
        value: latest.value,
        timestamp: latest.timestamp,
        step: latest.step,
        model_id: None,
        dataset_name: None,
        dataset_digest: None,
        run_id: None,
    });
    let params =
        head.params.iter().map(|(key, value)| Param { key: state.keys.name(*key), value: value.clone() });
    let tags = head.tags.iter().map(|(key, value)| Tag { key: state.keys.name(*key), value: value.clone() });
    Run {
        info: info(home, head),
        data: RunData { metrics: metrics.collect(), params: params.collect(), tags: tags.collect() },
        inputs: inputs(home, head),
        outputs: RunOutputs {
            model_outputs: head
                .model_outputs
                .iter()
                .map(|(model_id, step)| ModelOutput { model_id: model_id.clone(), step: *step })
                .collect(),
        },
    }
}

/// What a run read, as it is answered.
pub(super) fn inputs(home: &Home, head: &Head) -> RunInputs {
    let datasets = head.inputs.iter().filter_map(|input| {
        let dataset = home.inputs.get(input.dataset as usize)?;
        let tags = input.tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() });
        Some(DatasetInput { tags: tags.collect(), dataset: dataset.as_ref().clone() })
    });
    RunInputs {
        dataset_inputs: datasets.collect(),
        model_inputs: head.model_inputs.iter().map(|id| ModelInput { model_id: id.clone() }).collect(),
    }
}
