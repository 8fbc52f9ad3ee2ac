//! Chains: the components before and after a deployment's model, and what the
//! whole takes and gives.
//!
//! A step is a scoring plugin with its parameters loaded, as a model is a runner
//! with its artifact. Tensors go from step to step by name: what a step gives
//! joins the others, in the place of one that has the same name.

use modelyard_runtime::{
    Kind, Model, ModelOptions, Timings,
    check::datatype_name,
    types::{Signature, Tensor, TensorSpec},
};
use tracing::Instrument as _;

use super::{Chain, Deployments, Link, Step, predictor::Predicted};
use crate::{Error, Platform, Result, SPANS, plugins};

/// The most steps on one side of a model.
const MOST: usize = 8;

impl Chain {
    /// What the deployment takes and gives, given what its version does.
    pub fn around(&self, version: &Signature) -> Signature {
        let mut inputs = version.inputs.clone();
        for link in self.before.iter().rev() {
            inputs.retain(|input| !gives(link, &input.name));
            let mut first = link.signature.inputs.clone();
            inputs.retain(|input| first.iter().all(|own| own.name != input.name));
            first.append(&mut inputs);
            inputs = first;
        }
        let mut outputs = version.outputs.clone();
        for output in self.after.iter().flat_map(|link| &link.signature.outputs) {
            match outputs.iter_mut().find(|known| known.name == output.name) {
                Some(known) => known.clone_from(output),
                None => outputs.push(output.clone()),
            }
        }
        Signature { inputs, outputs }
    }

    /// What steps after the model take of what comes before it.
    pub(super) fn kept(&self, version: &Signature) -> Vec<String> {
        let mut given: Vec<&str> = version.outputs.iter().map(|output| output.name.as_str()).collect();
        let mut kept = Vec::new();
        for link in &self.after {
            let missing = link.signature.inputs.iter().filter(|input| !given.contains(&input.name.as_str()));
            kept.extend(missing.map(|input| input.name.clone()));
            given.extend(link.signature.outputs.iter().map(|output| output.name.as_str()));
        }
        kept
    }

    /// Holds every step to what it is given, and what it gives to what is taken.
    ///
    /// # Errors
    /// Names the step and the tensor that doesn't fit.
    pub(super) fn check(&self, version: &Signature) -> Result<()> {
        for (at, link) in self.before.iter().enumerate() {
            let later = self.before.iter().skip(at + 1).map(|link| &link.signature.inputs);
            let mut used = false;
            for output in &link.signature.outputs {
                let mut takers = later.clone().chain([&version.inputs]).flatten();
                if let Some(taker) = takers.find(|input| input.name == output.name) {
                    used = true;
                    fits(output, taker).map_err(|why| unfit("before", at, link, &why))?;
                }
            }
            if !used {
                let names = names(&version.inputs);
                let why = format!("nothing after it takes what it gives; the model takes {names}");
                return Err(unfit("before", at, link, &why));
            }
        }
        // The latest of a name stands first.
        let mut given: Vec<TensorSpec> = version.outputs.clone();
        given.extend(self.before.iter().rev().flat_map(|link| link.signature.outputs.clone()));
        given.extend(self.around(version).inputs);
        for (at, link) in self.after.iter().enumerate() {
            for input in &link.signature.inputs {
                let Some(giver) = given.iter().find(|given| given.name == input.name) else {
                    let why =
                        format!("nothing gives its input {:?}; what there is: {}", input.name, names(&given));
                    return Err(unfit("after", at, link, &why));
                };
                fits(giver, input).map_err(|why| unfit("after", at, link, &why))?;
            }
            given.splice(..0, link.signature.outputs.iter().cloned());
        }
        Ok(())
    }
}

fn gives(link: &Link, name: &str) -> bool {
    link.signature.outputs.iter().any(|output| output.name == name)
}

fn names(specs: &[TensorSpec]) -> String {
    specs.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn unfit(side: &str, at: usize, link: &Link, why: &str) -> Error {
    Error::field(format!("{side}[{at}]"), format!("{} does not fit: {why}", link.plugin))
}

/// Whether what is given can be taken, up to sizes that only a call tells.
fn fits(given: &TensorSpec, taken: &TensorSpec) -> Result<(), String> {
    let size = |(given, taken): (&i64, &i64)| given == taken || *given == -1 || *taken == -1;
    let same = given.shape.len() == taken.shape.len() && given.shape.iter().zip(&taken.shape).all(size);
    match given.datatype == taken.datatype && same {
        true => Ok(()),
        false => Err(format!(
            "{:?} is given as {} {:?} and taken as {} {:?}",
            given.name,
            datatype_name(given.datatype),
            given.shape,
            datatype_name(taken.datatype),
            taken.shape
        )),
    }
}

impl Deployments<'_> {
    /// The steps with what runs for them. Those of `known` that are the same
    /// plugin's code with the same parameters are taken as they are.
    pub(super) async fn linked(&self, before: &[Step], after: &[Step], known: &Chain) -> Result<Chain> {
        Ok(Chain {
            before: self.links("before", before, &known.before).await?,
            after: self.links("after", after, &known.after).await?,
        })
    }

    async fn links(&self, side: &str, steps: &[Step], known: &[Link]) -> Result<Vec<Link>> {
        if steps.len() > MOST {
            return Err(Error::field(side, format!("{} steps are more than {MOST}", steps.len())));
        }
        let mut links = Vec::with_capacity(steps.len());
        for (at, step) in steps.iter().enumerate() {
            links.push(self.link(&format!("{side}[{at}]"), step, known).await?);
        }
        Ok(links)
    }

    /// Loads a step's parameters into its plugin and keeps what comes of it.
    async fn link(&self, place: &str, step: &Step, known: &[Link]) -> Result<Link> {
        let plugin =
            self.0.plugins().of_kind(&format!("{place}.plugin"), &step.plugin, Kind::Scoring).await?;
        plugins::check_parameters(&format!("{place}.parameters"), &plugin, &step.parameters, false)?;
        let same = |link: &&Link| link.digest == plugin.digest && link.parameters == step.parameters;
        if let Some(link) = known.iter().find(same) {
            return Ok(link.clone());
        }
        let code = self.0.blobs.get(&plugin.digest).await?;
        let parameters = plugins::parameters(&step.parameters);
        let (component, signature) =
            self.0.runtime.snapshot(&code, parameters.as_bytes()).await.map_err(|error| {
                Error::from(error).during(format!("{place}: {} loads its parameters", plugin.name))
            })?;
        Ok(Link {
            plugin: plugin.name,
            digest: plugin.digest,
            parameters: step.parameters.clone(),
            component: self.0.blobs.put(component).await?,
            signature,
        })
    }
}

/// The steps of one side, ready to be called. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Steps(Vec<Running>);

#[derive(Clone)]
struct Running {
    /// Its place and plugin, for errors.
    name: String,
    inputs: Vec<String>,
    model: Model,
}

impl Steps {
    pub(super) async fn new(
        platform: &Platform,
        side: &str,
        links: &[Link],
        options: &ModelOptions,
    ) -> Result<Self> {
        let mut steps = Vec::with_capacity(links.len());
        for (at, link) in links.iter().enumerate() {
            let options = ModelOptions { signature: Some(link.signature.clone()), ..options.clone() };
            let source = platform.plugins().source();
            steps.push(Running {
                name: format!("{side}[{at}] ({})", link.plugin),
                inputs: link.signature.inputs.iter().map(|input| input.name.clone()).collect(),
                model: platform.runtime.model(&link.component.to_string(), source, options).await?,
            });
        }
        Ok(Self(steps))
    }

    pub(super) async fn keep_warm(&self) {
        for step in &self.0 {
            step.model.keep_warm().await;
        }
    }

    /// Calls every step in its order. What they give is added to `tensors`;
    /// what they take may be among the `kept`, too.
    ///
    /// # Errors
    /// A step's own, with its place.
    pub(super) async fn run(&self, tensors: Vec<Tensor>, kept: &[Tensor]) -> Result<Predicted> {
        let mut predicted = Predicted { outputs: tensors, timings: Timings::default() };
        for step in &self.0 {
            let span = tracing::debug_span!(target: SPANS, "step", name = step.name);
            let given = || predicted.outputs.iter().chain(kept);
            let inputs = step.inputs.iter().filter_map(|name| given().find(|tensor| tensor.name == *name));
            let outcome = step.model.predict(inputs.cloned().collect()).instrument(span).await;
            let (outputs, timings) = outcome.map_err(|error| Error::from(error).during(step.name.clone()))?;
            predicted.timings = sum(predicted.timings, timings);
            for output in outputs {
                match predicted.outputs.iter_mut().find(|tensor| tensor.name == output.name) {
                    Some(place) => *place = output,
                    None => predicted.outputs.push(output),
                }
            }
        }
        Ok(predicted)
    }
}

/// What two calls took, one after the other.
pub(super) fn sum(first: Timings, second: Timings) -> Timings {
    Timings {
        queue_us: first.queue_us + second.queue_us,
        instantiate_us: first.instantiate_us + second.instantiate_us,
        compute_us: first.compute_us + second.compute_us,
        cpu_us: first.cpu_us + second.cpu_us,
        memory_bytes: first.memory_bytes + second.memory_bytes,
    }
}

#[cfg(test)]
mod tests {
    use modelyard_blobs::Digest;
    use modelyard_runtime::types::Datatype;
    use serde_json::Value;

    use super::*;

    fn spec(name: &str) -> TensorSpec {
        let datatype = if name.ends_with("text") { Datatype::Bytes } else { Datatype::Fp64 };
        TensorSpec { name: name.into(), datatype, shape: vec![-1], labels: vec![] }
    }

    fn signature(inputs: &[&str], outputs: &[&str]) -> Signature {
        let specs = |names: &[&str]| names.iter().map(|name| spec(name)).collect();
        Signature { inputs: specs(inputs), outputs: specs(outputs) }
    }

    fn link(inputs: &[&str], outputs: &[&str]) -> Link {
        let digest = Digest::of(b"code");
        Link {
            plugin: "step".into(),
            digest,
            parameters: Value::Null,
            component: digest,
            signature: signature(inputs, outputs),
        }
    }

    fn model() -> Signature {
        signature(&["a", "b"], &["p"])
    }

    #[test]
    fn the_whole_takes_what_nothing_gives_and_gives_what_all_give() {
        let chain = Chain {
            before: vec![link(&["raw"], &["mid"]), link(&["mid", "b"], &["a"])],
            after: vec![link(&["p", "mid"], &["p"]), link(&["p", "other"], &["decision"])],
        };
        let around = chain.around(&model());
        assert_eq!(names(&around.inputs), "raw, b");
        assert_eq!(names(&around.outputs), "p, decision");
        assert_eq!(chain.kept(&model()), ["mid", "other"]);
        let empty = Chain::default();
        assert_eq!(empty.around(&model()), model());
        assert!(empty.check(&model()).is_ok());
    }

    #[test]
    fn what_does_not_fit_names_its_step() {
        let refused = |before: Vec<Link>, after: Vec<Link>, field: &str, words: &str| {
            let error = Chain { before, after }.check(&model()).unwrap_err();
            assert_eq!(error.location.field.as_deref(), Some(field), "{error}");
            assert!(error.message.contains(words), "{error}");
        };
        refused(vec![link(&["raw"], &["mid"])], vec![], "before[0]", "nothing after it takes what it gives");
        refused(vec![], vec![link(&["q"], &["d"])], "after[0]", "nothing gives its input \"q\"");
        let wide = TensorSpec { shape: vec![-1, 3], ..spec("a") };
        let mut giver = link(&["raw"], &["a"]);
        giver.signature.outputs = vec![wide];
        refused(vec![giver], vec![], "before[0]", "is given as FP64 [-1, 3] and taken as FP64 [-1]");
        let mut taker = link(&["p"], &["d"]);
        taker.signature.inputs = vec![TensorSpec { datatype: Datatype::Bytes, ..spec("p") }];
        refused(vec![], vec![link(&["p"], &["e"]), taker], "after[1]", "taken as BYTES");
    }

    #[test]
    fn a_step_may_take_what_the_caller_or_an_earlier_step_gives() {
        let chain = Chain {
            before: vec![link(&["raw"], &["a"])],
            after: vec![link(&["raw", "a"], &["first"]), link(&["first", "b"], &["second"])],
        };
        chain.check(&model()).unwrap();
        assert_eq!(chain.kept(&model()), ["raw", "a", "b"]);
    }
}
